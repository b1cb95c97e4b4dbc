"""Draw a sheet of training images with boxes, original and as the detector sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.contracts import PreparedDataset
from core.data import example_rng
from core.images import open_image
from core.tasks import Boxes, BoxExample
from plugins.detection.letterbox import corners_in

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

Drawn = tuple["NDArray[np.uint8]", "NDArray[np.float32]", Any]
"""Pixels uint8 [h, w, 3], corners float32 [k, 4] in pixels, and labels [k]."""

ROWS, EPOCHS = 6, 4
TILE, GAP, CAPTION = 200, 6, 16
"""In pixels: the side of an image on the sheet, the gap between images, and the height of a line of text."""
_COLORS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000", "#f032e6")


def sheet(
    examples: Sequence[BoxExample],
    prepared: PreparedDataset,
    labels: Sequence[str],
    seed: int,
    varied: bool = True,
) -> Image:
    """Return the sheet. Each row shows an example: the original, then as in the first epochs.

    Args:
        examples: The training split.
        prepared: The same split, prepared; it fetches `View`s.
        labels: Label names.
        seed: The run's seed.
        varied: Whether epochs differ; if not, one is shown.
    """
    from PIL import Image, ImageDraw

    rows = np.unique(np.linspace(0, len(examples) - 1, min(len(examples), ROWS)).astype(int)).tolist()
    epochs = range(EPOCHS if varied else 1)
    size = (GAP + (1 + len(epochs)) * (TILE + GAP), CAPTION + GAP + len(rows) * (TILE + CAPTION + GAP))
    page = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(page)
    titles = ["original", *(f"epoch {epoch + 1}" if varied else "as seen" for epoch in epochs)]
    for column, title in enumerate(titles):
        draw.text((GAP + column * (TILE + GAP), GAP // 2), title, fill="black")
    for place, row in enumerate(rows):
        top = CAPTION + GAP + place * (TILE + CAPTION + GAP)
        corners, found, _ = (examples[row].target or Boxes()).arrays()
        drawn: list[Drawn] = [(np.asarray(open_image(examples[row].image)), corners, found)]
        views = [prepared.fetch(row, epoch, example_rng(seed, epoch, row)) for epoch in epochs]
        drawn += [(view.pixels, corners_in(view), view.labels) for view in views]
        for column, each in enumerate(drawn):
            page.paste(tile(*each, labels), (GAP + column * (TILE + GAP), top))
        caption = examples[row].place.encode("latin-1", "replace").decode("latin-1")[:100]
        draw.text((GAP, top + TILE), caption, fill="black")
    return page


def tile(pixels: NDArray[np.uint8], corners: NDArray[np.float32], found: Sequence[int], labels: Sequence[str]) -> Image:
    """Return an image with its boxes and labels, fitted into a square. Small images are enlarged without smoothing."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(pixels)
    scale = TILE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BICUBIC
    square = Image.new("RGB", (TILE, TILE), "white")
    left, top = (TILE - size[0]) // 2, (TILE - size[1]) // 2
    square.paste(image.resize(size, how), (left, top))
    draw = ImageDraw.Draw(square)
    for box, label in zip(corners, found, strict=True):
        x1, y1, x2, y2 = (float(value) * scale for value in box)
        color = _COLORS[int(label) % len(_COLORS)]
        draw.rectangle((left + x1, top + y1, left + max(x1, x2), top + max(y1, y2)), outline=color, width=2)
        name = labels[int(label)].encode("latin-1", "replace").decode("latin-1")
        draw.text((left + x1 + 3, top + y1 + 1), name, fill=color)
    return square
