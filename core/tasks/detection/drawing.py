"""Boxes drawn on images, for a person to look at: what is there, and what was found.

Every label has a colour of its own. A small image is enlarged until its boxes and their names can be read.
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
"""An image whose longer side is shorter is enlarged to about this many pixels."""
TILE = 360
"""The longer side of an image on a page."""
SHOWN = 12
"""Images on a page, at most."""
COLUMNS = 2
"""Pairs of images beside each other on a page."""
_GAP, _LINE = 12, 18
_PAPER, _INK, _FAINT, _WHITE = (228, 228, 228), (30, 30, 30), (95, 95, 95), (255, 255, 255)
_GOLDEN = (math.sqrt(5) - 1) / 2


class Mark(NamedTuple):
    """A box to draw.

    Attributes:
        corners: x1, y1, x2, y2 in pixels of the image.
        label: The index of its label; it decides the colour.
        text: What is written beside it.
        faint: Whether it is drawn thin: it counts neither way.
    """

    corners: Corners
    label: int
    text: str
    faint: bool = False


def colour(label: int) -> tuple[int, int, int]:
    """A label's colour; neighbours differ much."""
    red, green, blue = colorsys.hsv_to_rgb(label * _GOLDEN % 1, 0.85 - 0.3 * (label // 7 % 2), 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def found_marks(found: Detections, labels: Sequence[str], thresholds: Sequence[float] | None = None) -> list[Mark]:
    """What was found, from the stored threshold on; the surest is drawn last, above the others."""
    kept = found if thresholds is None else found.surer_than(thresholds[0])
    rows = zip(kept.corners.tolist(), kept.labels.tolist(), kept.scores.tolist(), strict=True)
    return [Mark(tuple(corners), label, f"{labels[label]} {score:.2f}") for corners, label, score in rows][::-1]


def true_marks(truth: Boxes, labels: Sequence[str]) -> list[Mark]:
    """What is there."""
    crowd = truth.crowd or (False,) * len(truth)
    rows = zip(truth.corners, truth.labels, crowd, strict=True)
    return [Mark(corners, label, labels[label] + (" (crowd)" if many else ""), many) for corners, label, many in rows]


def draw(image: Image.Image, marks: Sequence[Mark], least: int = LEAST_SIDE, most: int | None = None) -> Image.Image:
    """A copy of an image with boxes on it.

    Args:
        image: Mode RGB.
        marks: The boxes; later ones lie above earlier ones.
        least: An image whose longer side is shorter is enlarged to it.
        most: A larger one is made smaller to it; None to leave it.
    """
    side = max(image.size)
    scale = least / side if side < least else most / side if most and side > most else 1.0
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    drawn = image.resize(size, Image.Resampling.BICUBIC) if size != image.size else image.copy()
    pen = ImageDraw.Draw(drawn)
    width = max(2, round(max(drawn.size) / 250))
    font = _font(max(12, round(max(drawn.size) / 40)))
    outlines = [tuple(scale * value for value in mark.corners) for mark in marks]
    for mark, (x1, y1, x2, y2) in zip(marks, outlines, strict=True):
        pen.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=colour(mark.label), width=1 if mark.faint else width)
    for mark, corners in zip(marks, outlines, strict=True):  # above every outline
        _tag(pen, drawn.size, mark, (corners[0], corners[1]), font)
    return drawn


def _tag(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], mark: Mark, at: tuple[float, float], font: ImageFont.FreeTypeFont
) -> None:
    """The name of a box on its upper edge: above it where there is room, and never beyond the image."""
    left, top, right, bottom = pen.textbbox((0, 0), mark.text, font=font)
    width, height = right - left + 4, bottom - top + 4
    x = max(0.0, min(at[0], size[0] - width))
    y = at[1] - height if at[1] >= height else min(max(0.0, at[1]), size[1] - height)
    paint = colour(mark.label)
    dark = 0.299 * paint[0] + 0.587 * paint[1] + 0.114 * paint[2] < 140  # ITU-R BT.601 luma
    pen.rectangle((x, y, x + width, y + height), fill=paint)
    pen.text((x + 2 - left, y + 2 - top), mark.text, fill=_WHITE if dark else (0, 0, 0), font=font)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """The font that Pillow carries: nothing is looked for on the machine, nor fetched."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def truth_and_prediction(
    examples: Sequence[BoxExample],
    predictions: Predictions,
    labels: Sequence[str],
    thresholds: Sequence[float] | None = None,
) -> Image.Image | None:
    """A page of images, each twice: with what is there on the left, with what was found on the right.

    Half of them are those with the most errors, the worst first; the others are evenly spread over the rest.

    Args:
        examples: With their objects.
        predictions: object [n], a `Detections` each.
        labels: Label names.
        thresholds: One number, the score from which an object counts as found; None for all of them.

    Returns:
        The page; None where there is no example.
    """
    if not len(examples):
        return None
    targets = [example.target or Boxes() for example in examples]
    missed, wrong = errors(predictions, targets, len(labels), thresholds)
    pairs = []
    for row in chosen(missed + wrong):
        image = open_image(examples[row].image)
        left = draw(image, true_marks(targets[row], labels), TILE, TILE)
        right = draw(image, found_marks(predictions[row], labels, thresholds), TILE, TILE)
        caption = f"{_short(examples[row].place)}: {missed[row]} missed, {wrong[row]} wrong"
        pairs.append((caption, left, right))
    return _page(pairs)


def errors(
    predictions: Predictions, targets: Sequence[Boxes], n_labels: int, thresholds: Sequence[float] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Objects that were missed, and found ones that are not there, in each image: int64 [n] each; IoU 0.5 is right."""
    kept = predictions if thresholds is None else [each.surer_than(thresholds[0]) for each in predictions]
    matched = match(kept, targets, n_labels)
    right = np.bincount(matched.images[matched.hits], minlength=len(targets))
    return matched.truth.sum(axis=1) - right, np.bincount(matched.images, minlength=len(targets)) - right


def chosen(wrong: NDArray[np.int64], most: int = SHOWN) -> list[int]:
    """Which examples are shown: half those with the most errors, half evenly spread over the others.

    Args:
        wrong: int64 [n], errors in each.
        most: How many.
    """
    worst = [int(row) for row in np.argsort(-wrong, kind="stable")[: most // 2] if wrong[row]]
    others = [row for row in range(len(wrong)) if row not in worst]
    places = np.linspace(0, len(others) - 1, min(most - len(worst), len(others)))
    return worst + [others[round(place)] for place in places]


def _page(pairs: Sequence[tuple[str, Image.Image, Image.Image]]) -> Image.Image:
    """Pairs of images under their captions, in columns."""
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


def _short(place: str, most: int = 60) -> str:
    """The end of a long place: its beginning is the same for all."""
    return place if len(place) <= most else f"…{place[1 - most :]}"
