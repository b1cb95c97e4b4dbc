"""Small scenes with boxes, and load requests with them, for the tests of the detection plugin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from output_specs import output

from core.contracts.model import LoadRequest
from core.images.reading import encode_png
from core.tasks.detection.boxes import Boxes, BoxExample

LABELS = ("bar", "block", "dot")
SHAPES = ((19, 8), (15, 15), (9, 9))
COLOURS = ((250, 120, 60), (60, 240, 120), (90, 120, 250))


def scene(row: int, width: int = 64, height: int = 48, objects: int | None = None) -> tuple[np.ndarray, Boxes]:
    """A dark, noisy picture with bright rectangles; each label has a shape and a colour of its own."""
    random = np.random.default_rng((7, row))
    pixels = random.integers(0, 40, (height, width, 3)).astype(np.uint8)
    corners, labels = [], []
    for _ in range(random.integers(1, 4) if objects is None else objects):
        label = int(random.integers(len(LABELS)))
        w, h = SHAPES[label]
        x, y = int(random.integers(0, width - w)), int(random.integers(0, height - h))
        pixels[y : y + h, x : x + w] = COLOURS[label]
        corners.append((float(x), float(y), float(x + w), float(y + h)))
        labels.append(label)
    return pixels, Boxes(tuple(corners), tuple(labels))


def examples(n: int = 12, width: int = 64, height: int = 48, objects: int | None = None) -> list[BoxExample]:
    made = []
    for row in range(n):
        pixels, boxes = scene(row, width, height, objects)
        place, digest = f"sample:{row}", f"digest{row}-{width}x{height}-{objects}"
        made.append(BoxExample(encode_png(pixels), boxes, (width, height), digest, place))
    return made


def load_request(train: Sequence[BoxExample] = (), labels: tuple[str, ...] = LABELS, **more: Any) -> LoadRequest:
    return LoadRequest(output("boxes", labels), train, fingerprint="scenes", **more)
