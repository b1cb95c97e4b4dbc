"""What all tasks on images share: the identity, the path and the faults of an example."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from core.errors import Problem


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
    from core.images.reading import inspect

    return (example.digest or inspect(example.image).digest).encode()


def shown(example: HasImage) -> str:
    """The path of an image's file; of one that has none, where it was found."""
    return str(example.image) if isinstance(example.image, Path) else example.place


def found(words: Iterable[str]) -> Iterator[Path]:
    """The image files that words mean: files, folders, globs.

    Raises:
        DataError: There are none.
    """
    from core.images.reading import image_files

    return (path for word in words for path in image_files(word))


def fault(example: HasImage) -> Problem | None:
    """Why an image cannot be read, or None."""
    from core.images.reading import UnreadableImageError, open_image

    try:
        open_image(example.image)
    except UnreadableImageError as error:
        return Problem(example.place, f"{error.message}.", error.cure)
    return None
