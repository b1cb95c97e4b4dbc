"""Definitions that the options of all detectors share."""

from __future__ import annotations

STRIDE = 32
"""Stride of the coarsest grid in pixels; image sizes are multiples of it."""


def is_pickle(checkpoint: str) -> bool:
    """Return whether a checkpoint is a pickle, the format of Ultralytics and torchvision."""
    return checkpoint.lower().endswith((".pt", ".pth"))
