"""The handwritten digits included in scikit-learn, as PNG images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.contracts import SplitOptions, Splits
from core.data import Row, Source, build_splits
from core.images import encode_png, inspect
from core.tasks import ImageExample, Task

_INK = 16
"""Maximum value of a pixel in the data: the number of inked dots in a field of 4 × 4."""


@dataclass(frozen=True)
class _Digits:
    """All digits: PNG bytes and labels."""

    images: list[ImageExample]
    labels: list[str]

    def __iter__(self) -> Iterator[Row]:
        for example, label in zip(self.images, self.labels, strict=True):
            yield Row(example, label, example.place)

    def take(self, rows: NDArray[np.int64]) -> list[ImageExample]:
        """Return examples by row number (int64 [k])."""
        return [self.images[row] for row in rows]


def load_digits(options: SplitOptions, task: Task, seed: int) -> Splits:
    """Return the 1,797 digits, 8 × 8 pixels, light ink (255) on black (0), split by seed."""
    from sklearn import datasets

    read = datasets.load_digits()
    pixels = np.rint(np.asarray(read.images) * (255 / _INK)).astype(np.uint8)
    examples = []
    for number, each in enumerate(pixels, start=1):
        image = encode_png(each)
        examples.append(ImageExample(image, None, (8, 8), inspect(image).digest, f"digits:{number}"))
    digits = _Digits(examples, [str(each) for each in read.target])
    digest = hashlib.sha256(pixels.tobytes() + "".join(digits.labels).encode()).hexdigest()
    origin = "UCI handwritten digits (8×8, included in scikit-learn)"
    return build_splits(Source(digits, digits.take, digest, origin), task, seed, options)
