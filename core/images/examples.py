"""What all task types of images share: reading an example, its identity, its path, and why it cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from core.errors import Problem


class HasImage(Protocol):
    """An example that is an image, with any target."""

    @property
    def image(self) -> Path | bytes: ...  # noqa: D102
    @property
    def digest(self) -> str: ...  # noqa: D102
    @property
    def place(self) -> str: ...  # noqa: D102


def identity(example: HasImage) -> bytes:
    """Return the hash of an image's pixels, as bytes."""
    from core.images.reading import inspect

    return (example.digest or inspect(example.image).digest).encode()


def path_or_place(example: HasImage) -> str:
    """Return the path of an image's file, or the example's place if it has no file."""
    return str(example.image) if isinstance(example.image, Path) else example.place


def find_images(words: Iterable[str]) -> Iterator[Path]:
    """Yield the image files that arguments name: files, folders, globs.

    Raises:
        DataError: An argument names no image file.
    """
    from core.images.reading import image_files

    return (path for word in words for path in image_files(word))


def read_problem(example: HasImage) -> Problem | None:
    """Return why an image cannot be read, or None."""
    from core.images.reading import UnreadableImageError, open_image

    try:
        open_image(example.image)
    except UnreadableImageError as error:
        return Problem(example.place, f"{error.message}.", error.cure)
    return None
