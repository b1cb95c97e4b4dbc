"""Small image files, and load requests with them, for the tests of the images plugin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from output_specs import output

from core.contracts.model import LoadRequest
from core.images.reading import encode_png
from core.tasks.image import ImageExample

LABELS = ("dark", "light", "striped")


def pixels(label: int, row: int, width: int, height: int) -> np.ndarray:
    """An image that shows its label: dark, light, or striped; with noise of its own."""
    noise = np.random.default_rng((label, row)).integers(0, 40, (height, width, 3))
    base = np.full((height, width, 3), (30, 180, 90)[label])
    if label == 2:
        base[:, ::4] = 200
    return (base + noise).astype(np.uint8)


def examples(n: int = 12, size: tuple[int, int] = (24, 20), targets: Sequence[Any] | None = None) -> list[ImageExample]:
    made = []
    for row in range(n):
        target = row % 3 if targets is None else targets[row]
        image = encode_png(pixels(row % 3, row, *size))
        made.append(ImageExample(image, target, size, f"digest{row}-{size}", f"sample:{row}"))
    return made


def files(folder: Path, n: int = 6) -> list[ImageExample]:
    made = []
    for row, example in enumerate(examples(n)):
        path = folder / f"{row}.png"
        assert isinstance(example.image, bytes)
        path.write_bytes(example.image)
        made.append(ImageExample(path, example.target, example.size, example.digest, path.name))
    return made


def load_request(train: Sequence[ImageExample] = (), target: str = "single", **more: Any) -> LoadRequest:
    return LoadRequest(output(target, LABELS, type="image-classification"), train, fingerprint="pictures", **more)
