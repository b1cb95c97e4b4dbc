"""The task type of images with labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from core.errors import Problem
from core.images.examples import find_images, identity, path_or_place, read_problem
from core.tasks.targets.encoded import Target
from core.tasks.targets.multi_label import MULTI
from core.tasks.targets.single_label import SINGLE
from core.tasks.task_type import TaskType


@dataclass(frozen=True, slots=True)
class ImageExample:
    """An image with its target.

    Attributes:
        image: The path of an image file, or the bytes of one.
        target: What should be predicted; None if it is unknown.
        size: Width and height in pixels, upright; (0, 0) if the data adapter has not opened the image.
        digest: Hash of its pixels, equal for copies; empty if the data adapter has not opened the image.
        place: Where it was read, for messages: `photos/cat/1.jpg`, `labels.csv:12`.
    """

    image: Path | bytes
    target: Target = None
    size: tuple[int, int] = (0, 0)
    digest: str = ""
    place: str = ""


@dataclass
class ImageClassification(TaskType):
    """Predict the labels of an image."""

    name: ClassVar[str] = "image-classification"
    example: ClassVar[type] = ImageExample
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI)

    def identity(self, example: ImageExample) -> bytes:
        """Return the hash of the pixels."""
        return identity(example)

    def content(self, example: ImageExample) -> dict[str, Any]:
        """Return the path of the file, or the place of an image without a file."""
        return {"image": path_or_place(example)}

    def parse(self, text: str) -> ImageExample:
        """Return the example for the path of an image file."""
        return ImageExample(Path(text).expanduser(), place=text)

    def read(self, words: Iterable[str]) -> Iterator[ImageExample]:
        """Yield the images of files, folders (at any depth) and globs.

        Raises:
            DataError: A file does not exist, a folder contains no image, or a glob matches no file.
        """
        return (ImageExample(path, place=str(path)) for path in find_images(words))

    def fault(self, example: ImageExample) -> Problem | None:
        """Return why the file cannot be read as an image, or None."""
        return read_problem(example)
