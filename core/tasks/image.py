"""Images: label them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from core.errors import Problem
from core.images.examples import find_images, identity, path_or_place, read_problem
from core.tasks.targets.labels import MULTI, SINGLE
from core.tasks.targets.target import Target
from core.tasks.task_type import TaskType


@dataclass(frozen=True, slots=True)
class ImageExample:
    """An image with what it should be given.

    Attributes:
        image: The path of an image file, or the bytes of one.
        target: What should be predicted; None where it is not known.
        size: Width and height in pixels, upright, where the data adapter has looked; else (0, 0).
        digest: Hash of its pixels, where the data adapter has looked; equal for copies.
        place: Where it was found, for messages: `photos/cat/1.jpg`, `labels.csv:12`.
    """

    image: Path | bytes
    target: Target = None
    size: tuple[int, int] = (0, 0)
    digest: str = ""
    place: str = ""


@dataclass
class ImageClassification(TaskType):
    """Label an image."""

    name: ClassVar[str] = "image-classification"
    example: ClassVar[type] = ImageExample
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI)

    def identity(self, example: ImageExample) -> bytes:
        """The hash of its pixels."""
        return identity(example)

    def content(self, example: ImageExample) -> dict[str, Any]:
        """The path of its file; of an image that has none, where it was found."""
        return {"image": path_or_place(example)}

    def parse(self, text: str) -> ImageExample:
        """The path of an image file."""
        return ImageExample(Path(text).expanduser(), place=text)

    def read(self, words: Iterable[str]) -> Iterator[ImageExample]:
        """Files, folders (all images in them, at any depth) and globs.

        Raises:
            DataError: There is no such file, a folder holds no image, or a glob matches none.
        """
        return (ImageExample(path, place=str(path)) for path in find_images(words))

    def fault(self, example: ImageExample) -> Problem | None:
        """Why its file cannot be read as an image, or None."""
        return read_problem(example)
