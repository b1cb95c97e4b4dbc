"""Decode many images in parallel, name all that cannot be read, and compute the cache key of the result."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from core.errors import DataError, Problem
from core.images.examples import HasImage
from core.images.reading import UnreadableImageError

T = TypeVar("T")

CHUNK = 256
"""Number of images in a chunk."""

NAMED = 20
"""Largest number of unreadable images that an error names."""


def in_chunks(examples: Sequence[Any], decode: Callable[[Any], T], otherwise: T) -> Iterator[list[T]]:
    """Yield the decoded examples in their order, in chunks of `CHUNK`, with one thread per core.

    Args:
        examples: Image or box examples.
        decode: Returns what to keep of an example; may raise `UnreadableImageError`.
        otherwise: The result for an image that cannot be read.

    Raises:
        DataError: Some images cannot be read. It is raised after the last chunk, names the first `NAMED` of them, and
            counts the others.
    """
    problems: list[Problem] = []

    def try_decode(example: Any) -> T:
        try:
            return decode(example)
        except UnreadableImageError as error:
            problems.append(Problem(example.place, f"{error.message}.", error.cure))
            return otherwise

    # Decoders release the interpreter lock, so threads run in parallel.
    stream = (examples[row] for row in range(len(examples)))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        while chunk := list(islice(stream, CHUNK)):
            yield list(pool.map(try_decode, chunk))
    if problems:
        more = len(problems) - NAMED
        rest = [Problem("images", f"{more} more images cannot be read.")] if more > 0 else []
        raise DataError(*problems[:NAMED], *rest)


def cache_key(examples: Iterable[HasImage], how: str) -> str:
    """Return a hash of the images and of `how` they are decoded, 32 hexadecimal digits."""
    digest = hashlib.sha256(how.encode())
    for example in examples:
        digest.update((example.digest or example.place).encode())
        if not example.digest:
            digest.update(example.image if isinstance(example.image, bytes) else _stamp(example.image))
    return digest.hexdigest()[:32]


def _stamp(path: Path) -> bytes:
    """Return path, size and modification time of a file."""
    try:
        status = path.stat()
    except OSError:
        return b"missing"
    return f"{path} {status.st_size} {status.st_mtime_ns}".encode()
