"""Pictures and annotations in files, for the tests of box adapters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from core.contracts.components import DataAdapter
from core.contracts.splits import Splits
from core.errors import DataError
from core.tasks.task import Task


def picture(path: Path, seed: int = 0, width: int = 40, height: int = 20, orientation: int = 1) -> Path:
    """An image of noise that is unlike those of other seeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def load(adapter: DataAdapter, labels: list[str] | None = None) -> Splits:
    return adapter.load(Task(name="test", type="object-detection", target="boxes", labels=labels), 0)


def problem(adapter: DataAdapter, labels: list[str] | None = None) -> str:
    """What is wrong with the data, in words."""
    try:
        load(adapter, labels)
    except DataError as error:
        return str(error)
    raise AssertionError("the data was taken")


def found(splits: Splits, code: str) -> tuple[int, tuple[str, ...]]:
    """How often the data check found something, and where."""
    (issue,) = [each for each in splits.findings if each.code == code]
    return issue.count, issue.places


def codes(splits: Splits) -> set[str]:
    return {each.code for each in splits.findings}


def boxes(splits: Splits) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    """Labels and corners of all images, by place."""
    return {
        each.place: [
            (splits.labels[label], tuple(round(value, 3) for value in corners))
            for label, corners in zip(each.target.labels, each.target.corners, strict=True)
        ]
        for part in (splits.train, splits.val, splits.test)
        for each in part
    }
