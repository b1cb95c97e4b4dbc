"""Decides which orientation annotations refer to: the image as stored, or turned by its EXIF orientation.

Boxes are in pixels of the upright image, as every tool that people annotate with shows it. Where the annotations state
the size of the image as it is stored, and a quarter turn makes that another one, they are turned with the image.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from core.issues import RowIssue
from core.tasks import Corners
from plugins.data.boxes.faults import image_fault, note

Turn: TypeAlias = Callable[[Corners], Corners]
_ORIENTATION = 0x0112


def turning(image: Path | None, stated: tuple[int, int], size: tuple[int, int]) -> tuple[Turn, RowIssue | None]:
    """Return how box corners map to the upright image, and a remark about the image.

    Args:
        image: The file.
        stated: Width and height that the annotations state; (0, 0) for none.
        size: Width and height of the upright image.
    """
    if stated in ((0, 0), size):
        return _same, None
    orientation = _orientation(image) if stated == size[::-1] and image is not None else 1
    if orientation in _QUARTER_TURNS:
        quarter = _QUARTER_TURNS[orientation]
        message = "the boxes are of the image as it is stored, and are turned as its EXIF orientation says"
        return (lambda corners: _ordered(corners, quarter(*stated))), note("turned_boxes", message, "image")
    message = f"the annotations are for {stated[0]} × {stated[1]} pixels, the image has {size[0]} × {size[1]}"
    return _same, image_fault("size_differs", message)


def _same(corners: Corners) -> Corners:
    return corners


Point: TypeAlias = tuple[float, float]
_QUARTER_TURNS: dict[int, Callable[[int, int], Callable[[float, float], Point]]] = {
    5: lambda width, height: lambda x, y: (y, x),
    6: lambda width, height: lambda x, y: (height - y, x),
    7: lambda width, height: lambda x, y: (height - y, width - x),
    8: lambda width, height: lambda x, y: (y, width - x),
}
"""By EXIF orientation: where a point of an image stored with that width and height is, once it is upright."""


def _ordered(corners: Corners, turn: Callable[[float, float], Point]) -> Corners:
    """Return the turned corners; an inverted box stays inverted."""
    (ax, ay), (bx, by) = turn(corners[0], corners[1]), turn(corners[2], corners[3])
    if corners[0] > corners[2] or corners[1] > corners[3]:
        return corners
    return min(ax, bx), min(ay, by), max(ax, bx), max(ay, by)


def _orientation(image: Path) -> int:
    from PIL import Image

    try:
        with Image.open(image) as opened:
            return int(opened.getexif().get(_ORIENTATION, 1))
    except (OSError, ValueError, TypeError):
        return 1
