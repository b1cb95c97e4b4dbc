"""Choose the input size of a model from the options, the model and the training images."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from core.contracts import LoadRequest
from plugins.images.dataset import size_of
from plugins.images.options import TimmOptions

SMALL, STEP, SMALLEST_PRETRAINED = 64, 32, 128
"""Images up to 64 pixels are small; models from scratch read multiples of 32; pretrained ones read at least 128."""
LARGEST_FROM_SCRATCH = 128
_SAMPLED = 256


@dataclass(frozen=True)
class Size:
    """The input size of a model in pixels, and the reason for it."""

    side: int
    reason: str = ""


def from_scratch(options: TimmOptions, request: LoadRequest) -> Size:
    """Return the median short side of the training images, rounded up to a multiple of 32, from 32 to 128."""
    if options.image_size:
        return Size(options.image_size)
    if not (short := _short_side(request)):
        return Size(STEP)
    side = min(LARGEST_FROM_SCRATCH, max(STEP, -(-short // STEP) * STEP))
    return Size(side, f"the short sides of the training images are {short} pixels (median)")


def pretrained(options: TimmOptions, request: LoadRequest, native: int, fixed: bool) -> Size:
    """Return the checkpoint's size, or a smaller one if the images are small and the network reads any size.

    Args:
        options: The options; a configured size is used as it is.
        request: The load request, with the training images.
        native: The size that the checkpoint was trained at, in pixels.
        fixed: Whether the network reads only that size.
    """
    if options.image_size:
        return Size(options.image_size)
    short = _short_side(request)
    if fixed or not short:
        return Size(native, "this is the model's input size")
    if short <= SMALL:
        side = min(native, SMALLEST_PRETRAINED)
        return Size(
            side,
            f"the short sides of the training images are {short} pixels (median), enlarged for the pretrained weights",
        )
    return Size(native, "the model was trained at this size")


def _short_side(request: LoadRequest) -> int:
    """Return the median short side of a sample of the training images, in pixels; 0 if there are none."""
    n = len(request.train)
    step = max(1, n // _SAMPLED)
    return round(statistics.median(min(size_of(request.train[i])) for i in range(0, n, step))) if n else 0
