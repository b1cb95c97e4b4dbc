"""Draw objects and detections on images.

Each label has its own color. A small image is enlarged, so that its boxes and their names are readable.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from core.images.reading import open_image
from core.tasks.detection.boxes import Boxes, Corners, Detections
from core.tasks.detection.matching import match

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.tasks.detection.boxes import BoxExample
    from core.tasks.targets.target import Predictions

LEAST_SIDE = 480
"""An image is enlarged until its longer side has this many pixels."""
TILE = 360
"""The longer side of an image on a page, in pixels."""
SHOWN = 12
"""Largest number of images on a page."""
COLUMNS = 2
"""Pairs of images in a row of a page."""
_GAP, _LINE = 12, 18
_PAPER, _INK, _FAINT, _WHITE = (228, 228, 228), (30, 30, 30), (95, 95, 95), (255, 255, 255)
_GOLDEN = (math.sqrt(5) - 1) / 2


class Mark(NamedTuple):
    """A box to draw.

    Attributes:
        corners: x1, y1, x2, y2 in pixels of the image.
        label: The index of its label, which decides the color.
        text: The text beside it.
        faint: Whether to draw it thin, because it counts neither as correct nor as wrong.
    """

    corners: Corners
    label: int
    text: str
    faint: bool = False


def color(label: int) -> tuple[int, int, int]:
    """Return the color of a label, as RGB from 0 to 255; those of successive labels differ much."""
    red, green, blue = colorsys.hsv_to_rgb(label * _GOLDEN % 1, 0.85 - 0.3 * (label // 7 % 2), 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def detection_marks(found: Detections, labels: Sequence[str], thresholds: Sequence[float] | None = None) -> list[Mark]:
    """Return the marks of detections above the threshold; the most confident is last, so it is drawn on top."""
    kept = found if thresholds is None else found.at_least(thresholds[0])
    rows = zip(kept.corners.tolist(), kept.labels.tolist(), kept.scores.tolist(), strict=True)
    return [Mark(tuple(corners), label, f"{labels[label]} {score:.2f}") for corners, label, score in rows][::-1]


def object_marks(truth: Boxes, labels: Sequence[str]) -> list[Mark]:
    """Return the marks of objects."""
    crowd = truth.crowd or (False,) * len(truth)
    rows = zip(truth.corners, truth.labels, crowd, strict=True)
    return [Mark(corners, label, labels[label] + (" (crowd)" if many else ""), many) for corners, label, many in rows]


def draw(
    image: Image.Image, marks: Sequence[Mark], min_side: int = LEAST_SIDE, max_side: int | None = None
) -> Image.Image:
    """Return a copy of an image with boxes on it.

    Args:
        image: Mode RGB.
        marks: The boxes; later ones are drawn on top of earlier ones.
        min_side: The smallest longer side, in pixels; a smaller image is enlarged.
        max_side: The largest longer side, in pixels; a larger image is reduced. None for no limit.
    """
    side = max(image.size)
    scale = min_side / side if side < min_side else max_side / side if max_side and side > max_side else 1.0
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    drawn = image.resize(size, Image.Resampling.BICUBIC) if size != image.size else image.copy()
    pen = ImageDraw.Draw(drawn)
    width = max(2, round(max(drawn.size) / 250))
    font = _font(max(12, round(max(drawn.size) / 40)))
    outlines = [tuple(scale * value for value in mark.corners) for mark in marks]
    for mark, (x1, y1, x2, y2) in zip(marks, outlines, strict=True):
        pen.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=color(mark.label), width=1 if mark.faint else width)
    for mark, corners in zip(marks, outlines, strict=True):  # on top of all outlines
        _tag(pen, drawn.size, mark, (corners[0], corners[1]), font)
    return drawn


def _tag(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], mark: Mark, at: tuple[float, float], font: ImageFont.FreeTypeFont
) -> None:
    """Draw the name of a box above its upper edge, or inside the image if there is no room above."""
    left, top, right, bottom = pen.textbbox((0, 0), mark.text, font=font)
    width, height = right - left + 4, bottom - top + 4
    x = max(0.0, min(at[0], size[0] - width))
    y = at[1] - height if at[1] >= height else min(max(0.0, at[1]), size[1] - height)
    paint = color(mark.label)
    dark = 0.299 * paint[0] + 0.587 * paint[1] + 0.114 * paint[2] < 140  # ITU-R BT.601 luma
    pen.rectangle((x, y, x + width, y + height), fill=paint)
    pen.text((x + 2 - left, y + 2 - top), mark.text, fill=_WHITE if dark else (0, 0, 0), font=font)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font that is part of Pillow, which needs no search or download."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def truth_and_prediction(
    examples: Sequence[BoxExample],
    predictions: Predictions,
    labels: Sequence[str],
    thresholds: Sequence[float] | None = None,
) -> Image.Image | None:
    """Return a page of images, each twice: with the objects on the left, with the detections on the right.

    Half of the images are those with the most errors, the worst first. The others are evenly spread over the rest.

    Args:
        examples: Examples with their objects.
        predictions: object [n], one `Detections` per example.
        labels: Label names.
        thresholds: The score from which a detection counts; None for all detections.

    Returns:
        The page; None without examples.
    """
    if not len(examples):
        return None
    targets = [example.target or Boxes() for example in examples]
    missed, wrong = errors(predictions, targets, len(labels), thresholds)
    pairs = []
    for row in choose_rows(missed + wrong):
        image = open_image(examples[row].image)
        left = draw(image, object_marks(targets[row], labels), TILE, TILE)
        right = draw(image, detection_marks(predictions[row], labels, thresholds), TILE, TILE)
        caption = f"{_shorten(examples[row].place)}: {missed[row]} missed, {wrong[row]} wrong"
        pairs.append((caption, left, right))
    return _page(pairs)


def errors(
    predictions: Predictions, targets: Sequence[Boxes], n_labels: int, thresholds: Sequence[float] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the missed objects and the wrong detections of each image, int64 [n] each; correct from an IoU of 0.5."""
    kept = predictions if thresholds is None else [each.at_least(thresholds[0]) for each in predictions]
    matched = match(kept, targets, n_labels)
    correct = np.bincount(matched.images[matched.hits], minlength=len(targets))
    return matched.truth.sum(axis=1) - correct, np.bincount(matched.images, minlength=len(targets)) - correct


def choose_rows(error_counts: NDArray[np.int64], count: int = SHOWN) -> list[int]:
    """Return the rows of a page: half those with the most errors, half evenly spread over the others.

    Args:
        error_counts: int64 [n], the number of errors in each image.
        count: Largest number of rows.
    """
    worst = [int(row) for row in np.argsort(-error_counts, kind="stable")[: count // 2] if error_counts[row]]
    others = [row for row in range(len(error_counts)) if row not in worst]
    places = np.linspace(0, len(others) - 1, min(count - len(worst), len(others)))
    return worst + [others[round(place)] for place in places]


def _page(pairs: Sequence[tuple[str, Image.Image, Image.Image]]) -> Image.Image:
    """Return pairs of images under their captions, in columns."""
    rows = list(_rows(pairs))
    heights = [max(left.height for _, left, _ in row) + 2 * _LINE + _GAP for row in rows]
    cell = 2 * TILE + 2 * _GAP
    page = Image.new("RGB", (_GAP + cell * min(COLUMNS, len(pairs)), _GAP + sum(heights)), _PAPER)
    pen, font = ImageDraw.Draw(page), _font(13)
    y = _GAP
    for row, height in zip(rows, heights, strict=True):
        for column, (caption, left, right) in enumerate(row):
            x = _GAP + column * cell
            pen.text((x, y), caption, fill=_INK, font=font)
            for place, (name, image) in enumerate((("truth", left), ("prediction", right))):
                pen.text((x + place * (TILE + _GAP // 2), y + _LINE), name, fill=_FAINT, font=font)
                page.paste(image, (x + place * (TILE + _GAP // 2), y + 2 * _LINE))
        y += height
    return page


def _rows(
    pairs: Sequence[tuple[str, Image.Image, Image.Image]],
) -> Iterator[Sequence[tuple[str, Image.Image, Image.Image]]]:
    return (pairs[start : start + COLUMNS] for start in range(0, len(pairs), COLUMNS))


def _shorten(place: str, length: int = 60) -> str:
    """Return the end of a long place, because the beginning is the same for all."""
    return place if len(place) <= length else f"…{place[1 - length :]}"
