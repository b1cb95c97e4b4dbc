"""What the options of several detectors share."""

from __future__ import annotations

STRIDE = 32
"""Pixels between the places of the coarsest grid: image sizes are multiples of it."""


def is_pickle(checkpoint: str) -> bool:
    """Whether a checkpoint is one of Ultralytics' files."""
    return checkpoint.lower().endswith((".pt", ".pth"))
