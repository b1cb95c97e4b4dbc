"""Many images at once: decoded by a thread a core, those that cannot be read named, the key of what is kept of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from core.errors import DataError, Problem
from core.images.reading import UnreadableImageError

T = TypeVar("T")
CHUNK = 256
NAMED = 20
"""Images that cannot be read are named one by one up to so many."""


def in_chunks(examples: Sequence[Any], decode: Callable[[Any], T], otherwise: T) -> Iterator[list[T]]:
    """Decode examples in their order, a chunk at a time: decoders let go of the interpreter, so threads serve.

    Args:
        examples: Image or box examples.
        decode: From an example to what is kept of it; may raise `UnreadableImageError`.
        otherwise: What stands in for an image that cannot be read, until the end.

    Raises:
        DataError: At the end, for images that could not be read; all are named, or the first `NAMED` and their number.
    """
    problems: list[Problem] = []

    def tried(example: Any) -> T:
        try:
            return decode(example)
        except UnreadableImageError as error:
            problems.append(Problem(example.place, f"{error.message}.", error.cure))
            return otherwise

    stream = (examples[row] for row in range(len(examples)))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        while chunk := list(islice(stream, CHUNK)):
            yield list(pool.map(tried, chunk))
    if problems:
        more = len(problems) - NAMED
        rest = [Problem("images", f"{more} more images cannot be read.")] if more > 0 else []
        raise DataError(*problems[:NAMED], *rest)


def cache_key(examples: Iterable[Any], how: str) -> str:
    """Hash of all that decides what decoding gives: the images, and how they are decoded; 32 hexadecimal digits."""
    digest = hashlib.sha256(how.encode())
    for example in examples:
        digest.update((example.digest or example.place).encode())
        if not example.digest:
            digest.update(example.image if isinstance(example.image, bytes) else _stamp(example.image))
    return digest.hexdigest()[:32]


def _stamp(path: Path) -> bytes:
    try:
        found = path.stat()
    except OSError:
        return b"missing"
    return f"{path} {found.st_size} {found.st_mtime_ns}".encode()
