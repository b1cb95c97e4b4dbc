"""Draw a sheet of training images, original and as the model sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.data import example_rng
from core.images import open_image
from core.tasks import ImageExample, OutputSpec
from plugins.images.dataset import ImageDataset, MixedView

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

ROWS, EPOCHS = 8, 6
TILE, GAP, CAPTION = 112, 6, 16
"""In pixels: the side of an image on the sheet, the gap between images, and the height of a line of text."""


def sheet(
    examples: Sequence[ImageExample],
    prepared: ImageDataset,
    output: OutputSpec,
    seed: int,
    show: Callable[[list[MixedView]], Tensor],
    varied: bool,
) -> Image:
    """Return the sheet. Each row shows an example: the original, then as in the first epochs.

    Args:
        examples: The training split.
        prepared: The same split, prepared.
        output: The task's output, which names the labels.
        seed: The run's seed.
        show: Maps examples that `prepared` fetches to the model's input, float32 [b, 3, S, S] from 0 to 1.
        varied: Whether epochs differ; if not, one is shown.
    """
    from PIL import Image, ImageDraw

    rows = _spread(examples, ROWS, output)
    epochs = range(EPOCHS) if varied else range(1)
    width = GAP + (1 + len(epochs)) * (TILE + GAP)
    page = Image.new("RGB", (width, CAPTION + GAP + len(rows) * (TILE + CAPTION + GAP)), "white")
    draw = ImageDraw.Draw(page)
    titles = ["original", *(f"epoch {epoch + 1}" if varied else "as seen" for epoch in epochs)]
    for column, title in enumerate(titles):
        draw.text((GAP + column * (TILE + GAP), GAP // 2), title, fill="black")
    for place, row in enumerate(rows):
        top = CAPTION + GAP + place * (TILE + CAPTION + GAP)
        items = [prepared.fetch(row, epoch, example_rng(seed, epoch, row)) for epoch in epochs]
        tiles = [open_image(examples[row].image), *_images(show(items))]
        for column, tile in enumerate(tiles):
            page.paste(_fitted(tile), (GAP + column * (TILE + GAP), top))
        draw.text((GAP, top + TILE), _caption(examples[row], output), fill="black")
    return page


def _spread(examples: Sequence[ImageExample], count: int, output: OutputSpec) -> list[int]:
    """Return evenly spaced rows with as many labels as possible."""
    candidates = np.linspace(0, len(examples) - 1, min(len(examples), 8 * count)).astype(int).tolist()
    chosen: dict[tuple[int, ...], int] = {}
    for row in candidates:
        chosen.setdefault(_labels(examples[row], output), row)
    rest = [row for row in candidates if row not in chosen.values()]
    wanted = count - len(chosen)
    spread = rest[:: max(1, len(rest) // wanted)] if wanted > 0 else []
    return [*chosen.values(), *spread][:count]


def _images(seen: Tensor) -> list[Image]:
    from PIL import Image

    pixels = (seen.permute(0, 2, 3, 1) * 255).round().clamp(0, 255).byte().numpy()
    return [Image.fromarray(each) for each in pixels]


def _fitted(image: Image) -> Image:
    """Return the image fitted into a tile, with its aspect ratio. Small images are enlarged without smoothing."""
    from PIL import Image

    scale = TILE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BICUBIC
    tile = Image.new("RGB", (TILE, TILE), "white")
    tile.paste(image.resize(size, how), ((TILE - size[0]) // 2, (TILE - size[1]) // 2))
    return tile


def _labels(example: ImageExample, output: OutputSpec) -> tuple[int, ...]:
    return () if example.target is None else output.target.labels_of(example.target)


def _caption(example: ImageExample, output: OutputSpec) -> str:
    """Return the labels and the source, in characters of the built-in font."""
    names = ", ".join(output.labels[index] for index in _labels(example, output)) or "no label"
    return f"{names}   {example.place}".encode("latin-1", "replace").decode("latin-1")[:100]
