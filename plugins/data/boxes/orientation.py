"""Decide which orientation annotations refer to: the stored image, or the image rotated by its EXIF orientation.

Boxes are usually in pixels of the upright image, which annotation tools show. If the annotations state the size of the
stored image, and a quarter turn changes that size, the boxes are rotated with the image.
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


def corner_map(image: Path | None, stated: tuple[int, int], size: tuple[int, int]) -> tuple[Turn, RowIssue | None]:
    """Return the map of box corners to the upright image, and the image's issue or None.

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
        message = "the boxes refer to the stored image, and are rotated by its EXIF orientation"
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
"""For each EXIF orientation: maps a point of the stored image, with its width and height, to the upright image."""


def _ordered(corners: Corners, turn: Callable[[float, float], Point]) -> Corners:
    """Return the rotated corners; an inverted box stays inverted."""
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
