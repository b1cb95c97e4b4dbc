"""What the options of all detectors share."""

from __future__ import annotations

STRIDE = 32
"""Pixels between the places of the coarsest grid: image sizes are multiples of it."""


def is_pickle(checkpoint: str) -> bool:
    """Return whether a checkpoint is a pickle, as Ultralytics and torchvision write them."""
    return checkpoint.lower().endswith((".pt", ".pth"))
