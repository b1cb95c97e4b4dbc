"""Inspect images (whether they are complete, their size, a hash of their pixels) and cache the results."""

from __future__ import annotations

import hashlib
import os
import struct
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.files import new_file
from core.images import Inspected, UnreadableImageError, inspect
from core.issues import RowIssue
from core.runtime import cache_directory

ImageSource: TypeAlias = Path | bytes | RowIssue | None
"""An image by its path or its bytes, its known issue, or None for a row that is not inspected."""

SILENT_SECONDS = 5.0
"""Interval in seconds between lines of progress; also before the first one."""
_ENTRY = struct.Struct("<16sII16s")
"""The cache entry of an image: its key, width and height, and the hash of its pixels."""
_CHECK = 16
_FORMAT = 1
"""Must change when entries do, or when `core.images` decodes the same file differently."""
_FORGET = 4
"""Unused entries are dropped when there are this many times more of them than of used ones."""


@dataclass
class Inspections:
    """The results, one entry per image.

    Attributes:
        width, height: int32 [n], in pixels; 0 for images that were not decoded.
        digest: Hashes of the pixels as bytes of hexadecimal digits, [n].
        faults: Issues by image number.
    """

    width: NDArray[np.int32]
    height: NDArray[np.int32]
    digest: NDArray[np.bytes_]
    faults: dict[int, RowIssue] = field(default_factory=dict)


def inspect_all(pictures: Iterable[Sequence[ImageSource]], count: int, source: str) -> Inspections:
    """Inspect images, with one thread per processor.

    Args:
        pictures: The images in chunks; one chunk is in memory at a time.
        count: Number of images.
        source: Where they come from; results of one source are cached together.
    """
    found = Inspections(np.zeros(count, np.int32), np.zeros(count, np.int32), np.zeros(count, "S32"))
    memory, progress, number = InspectionCache(source), _Progress(count), 0
    with ThreadPoolExecutor(_processors(), "graft-inspect") as pool:
        for piece in pictures:
            for seen in pool.map(memory.inspect, piece):
                if isinstance(seen, RowIssue):
                    found.faults[number] = seen
                elif seen is not None:
                    found.width[number], found.height[number] = seen.width, seen.height
                    found.digest[number] = seen.digest.encode()
                number += 1
            progress.at(number)
    memory.save()
    return found


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Progress:
    def __init__(self, count: int) -> None:
        self._count, self._said = count, time.monotonic()

    def at(self, number: int) -> None:
        """Report how many images have been inspected."""
        if time.monotonic() - self._said >= SILENT_SECONDS and os.environ.get("RANK", "0") == "0":
            self._said = time.monotonic()
            print(f"inspecting images: {number:,} of {self._count:,}", file=sys.stderr, flush=True)


class InspectionCache:
    """Known results for the images of a source, by path, size and modification time, or by a hash of their bytes.

    Only complete images are cached. A cache that is damaged, or cannot be read or written, is ignored.
    """

    def __init__(self, source: str) -> None:
        import PIL

        name = hashlib.sha256(f"{_FORMAT} {PIL.__version__} {source}".encode("utf-8", "surrogatepass")).hexdigest()
        self._path = cache_directory() / "images" / f"{name[:40]}.looks"
        self._known = _read(self._path)
        self._met: dict[bytes, Inspected] = {}

    def inspect(self, picture: ImageSource) -> Inspected | RowIssue | None:
        """Return the known result of an image, else decode the image. Called from many threads."""
        if picture is None or isinstance(picture, RowIssue):
            return picture
        key = _key(picture)
        seen = self._known.get(key) if key else None
        if seen is None:
            try:
                seen = inspect(picture)
            except UnreadableImageError as error:
                return RowIssue(error.code, error.message, error.cure)
        if key:
            self._met[key] = seen
        return seen

    def save(self) -> None:
        """Write the known results to the cache."""
        if self._met.keys() <= self._known.keys():
            return
        older = {key: seen for key, seen in self._known.items() if key not in self._met}
        if len(older) > _FORGET * len(self._met):
            older = {}
        entries = [
            _ENTRY.pack(key, seen.width, seen.height, bytes.fromhex(seen.digest))
            for each in (self._met, older)
            for key, seen in each.items()
        ]
        content = b"".join(entries)
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with new_file(self._path, shared=True) as aside:
                aside.write_bytes(_check(content) + content)


def _key(picture: Path | bytes) -> bytes:
    """Return an image's key in the cache; empty for a file that cannot be read."""
    if isinstance(picture, bytes):
        return hashlib.blake2b(picture, digest_size=16).digest()
    try:
        found = picture.stat()
        named = os.fsencode(picture)
    except (OSError, ValueError):
        return b""
    return hashlib.blake2b(named + struct.pack("<qq", found.st_size, found.st_mtime_ns), digest_size=16).digest()


def _check(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_CHECK).digest()


def _read(path: Path) -> dict[bytes, Inspected]:
    try:
        whole = path.read_bytes()
    except OSError:
        return {}
    content = whole[_CHECK:]
    if not content or len(content) % _ENTRY.size or whole[:_CHECK] != _check(content):
        return {}
    return {key: Inspected(width, height, digest.hex()) for key, width, height, digest in _ENTRY.iter_unpack(content)}
