"""List the files in folders of images and annotations, and name them in messages."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.errors import DataError, Problem, nearest
from core.images import SUFFIXES


def folder(option: str, given: str) -> Path:
    """Return an existing folder as an absolute path.

    Raises:
        DataError: There is none; the error suggests the nearest name beside it.
    """
    path = Path(given).expanduser().absolute()
    if path.is_dir():
        return path
    if path.exists():
        raise DataError(Problem(option, f"{path} is not a folder.", "Pass the folder that contains the data."))
    names = sorted(each.name for each in path.parent.iterdir()) if path.parent.is_dir() else []
    close = nearest(path.name, names)
    cure = f"Did you mean {str(path.parent / close)!r}?" if close else f"The current folder is {Path.cwd()}."
    raise DataError(Problem(option, f"there is no folder {path}.", cure))


def walk(top: Path, suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """Return files at any depth with one of these suffixes, sorted, without hidden files. Reads linked folders once."""
    found: list[Path] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(top, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(each for each in folders if not _is_hidden(each))
        found += [Path(place, each) for each in names if is_a(each, suffixes)]
    return sorted(found)


def listed(path: Path, suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """Return files directly in a folder with one of these suffixes; nothing if the folder does not exist."""
    try:
        names = sorted(os.listdir(path))
    except OSError:
        return []
    return [path / each for each in names if is_a(each, suffixes)]


def is_a(name: str, suffixes: Sequence[str] = SUFFIXES) -> bool:
    """Return whether a file's name has one of these suffixes and is not hidden."""
    return not _is_hidden(name) and os.path.splitext(name)[1].lower() in suffixes


def relative_name(path: Path, base: Path) -> str:
    """Return a path for messages: relative to `base` if it lies within."""
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else str(path)


class RootFolder:
    """A folder that files must lie in, even after symbolic links are followed."""

    def __init__(self, real: str) -> None:
        """Keep the real path of the folder; an empty path allows every file."""
        self._start = real.rstrip(os.sep) + os.sep if real else ""
        self._real: dict[str, str] = {}

    def holds(self, path: Path) -> bool:
        """Return whether a file lies in the folder."""
        return self.resolve(path).startswith(self._start)

    def resolve(self, path: Path) -> str:
        """Return the real path. Each folder is resolved once."""
        if path.name in ("", "..") or path.is_symlink():
            return os.path.realpath(path)
        parent = str(path.parent)
        if parent not in self._real:
            self._real[parent] = os.path.realpath(parent)
        return os.path.join(self._real[parent], path.name)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the non-blank lines of a text file with their numbers. Bytes that are not UTF-8 become U+FFFD.

    Raises:
        OSError: The file cannot be read.
    """
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip())


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
