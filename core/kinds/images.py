"""Images: label them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from core.errors import Problem
from core.kinds.kind import Kind
from core.kinds.targets.labels import MULTI, SINGLE
from core.kinds.targets.target import Target


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
class ImageClassification(Kind):
    """Label an image."""

    name: ClassVar[str] = "image-classification"
    example: ClassVar[type] = ImageExample
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI)

    def identity(self, example: ImageExample) -> bytes:
        """The hash of its pixels."""
        return identity(example)

    def content(self, example: ImageExample) -> dict[str, Any]:
        """The path of its file; of an image that has none, where it was found."""
        return {"image": shown(example)}

    def parse(self, text: str) -> ImageExample:
        """The path of an image file."""
        return ImageExample(Path(text).expanduser(), place=text)

    def read(self, words: Iterable[str]) -> Iterator[ImageExample]:
        """Files, folders (all images in them, at any depth) and globs.

        Raises:
            DataError: There is no such file, a folder holds no image, or a glob matches none.
        """
        return (ImageExample(path, place=str(path)) for path in found(words))

    def fault(self, example: ImageExample) -> Problem | None:
        """Why its file cannot be read as an image, or None."""
        return fault(example)


class HasImage(Protocol):
    """An example that is an image, whatever its target is."""

    @property
    def image(self) -> Path | bytes: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def place(self) -> str: ...  # noqa: D102


def identity(example: HasImage) -> bytes:
    """The hash of an image's pixels."""
    from core.images import inspect

    return (example.digest or inspect(example.image).digest).encode()


def shown(example: HasImage) -> str:
    """The path of an image's file; of one that has none, where it was found."""
    return str(example.image) if isinstance(example.image, Path) else example.place


def found(words: Iterable[str]) -> Iterator[Path]:
    """The image files that words mean: files, folders, globs.

    Raises:
        DataError: There are none.
    """
    from core.images import image_files

    return (path for word in words for path in image_files(word))


def fault(example: HasImage) -> Problem | None:
    """Why an image cannot be read, or None."""
    from core.images import UnreadableImageError, open_image

    try:
        open_image(example.image)
    except UnreadableImageError as error:
        return Problem(example.place, f"{error.message}.", error.cure)
    return None
