"""Default input size of detectors, chosen from the data."""

from __future__ import annotations

from collections.abc import Sequence

from core.issues import DataIssue
from core.tasks import BoxExample
from plugins.detection import dataset
from plugins.detection.options import STRIDE

SMALLEST, LARGEST = 64, 640
"""Minimum and maximum long side in pixels when it is chosen from the images."""


def side_for(asked: int, examples: Sequence[BoxExample], smallest: int = SMALLEST) -> tuple[int, list[DataIssue]]:
    """Return the side of the network's square input in pixels, and issues about it.

    Args:
        asked: The configured side; 0 chooses it from the images.
        examples: The training split.
        smallest: The smallest side that the network can read.
    """
    if asked or not (long := dataset.long_side(examples)):
        return asked or LARGEST, []
    side = min(LARGEST, max(smallest, -(-long // STRIDE) * STRIDE))
    reason = f"the long sides of the training images are {long} pixels (median)"
    message = f"images are read at {side}×{side} pixels: {reason}; model.image_size changes it."
    return side, [DataIssue("image_size", message, max(1, len(examples)), level="info")]


def not_cached(examples: int, cache_mb: int) -> DataIssue:
    """Return the issue that decoded training images do not fit the budget."""
    message = f"{examples} decoded images need more than model.cache_mb={cache_mb}, so they are decoded on each access."
    return DataIssue("images_not_cached", message, examples, level="info")
