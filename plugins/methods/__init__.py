"""Adapter methods: full, head, freeze, bitfit, and those that peft computes."""
