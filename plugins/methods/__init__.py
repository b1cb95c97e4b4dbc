"""Adapter methods: full, head, freeze, LoRA."""
