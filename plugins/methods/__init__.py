"""Adapter methods: full, head, LoRA."""
