"""The types of layers that some methods cannot adapt."""

from __future__ import annotations

from collections.abc import Mapping

CONVOLUTION, TRANSPOSED = "convolution", "transposed"
"""Convolutions, and linear layers that store the transpose of their weights (GPT-2's)."""
NOTHING: Mapping[str, str] = {}
"""For a method that can adapt every layer."""
