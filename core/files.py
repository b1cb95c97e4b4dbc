"""Writing files and folders that are whole or not there at all; and JSON as Graft writes it."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from core.errors import Problem, RunError


@contextmanager
def new_file(path: Path, shared: bool = False) -> Iterator[Path]:
    """Yield a path beside `path` to write a file to; at the end it is synced and renamed to `path`.

    A process that is killed at any instant leaves the old file or the new one, never half of one. After an error the
    old file is still there, and what was written aside is removed.

    Args:
        path: The file to write or replace; its folder exists.
        shared: Whether other processes may be writing the same file, as in a cache.

    Example:
        with new_file(path) as aside:
            aside.write_text(text)

    Raises:
        OSError: The disk is full or read-only.
    """
    aside = _aside(path, shared)
    try:
        yield aside
        _sync(aside)
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink()
        raise
    _sync_folder(path.parent)


@contextmanager
def new_folder(path: Path, shared: bool = False) -> Iterator[Path]:
    """Yield a folder beside `path` to write files to; at the end it is synced and renamed to `path`.

    Args:
        path: The folder to make; it does not exist or is empty. Its parent exists.
        shared: Whether other processes may be making the same folder, as in a cache; if one was quicker, its folder
            stays and this one is removed.

    Raises:
        OSError: The disk is full or read-only, or the folder holds something and is not shared.
    """
    aside = _aside(path, shared)
    shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed
    aside.mkdir()
    try:
        yield aside
        for file in aside.rglob("*"):
            if file.is_file():
                _sync(file)
            else:
                _sync_folder(file)
        _sync_folder(aside)
        try:
            aside.rename(path)  # onto an empty folder too
        except OSError:
            if not (shared and path.is_dir()):
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    _sync_folder(path.parent)


def _aside(path: Path, shared: bool) -> Path:
    """Return a name beside `path`; of its own for each process where others write there too."""
    own = f".{os.getpid()}-{os.urandom(4).hex()}" if shared else ""
    return path.with_name(f"{path.name}{own}.partial")


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Sync a folder's list of names, so that a rename survives a power cut."""
    with suppress(OSError):  # Windows and some network file systems cannot sync a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def clean(value: Any) -> Any:
    """Return the same value with NaN and infinities as null, so that any JSON reader takes it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [clean(each) for each in value]
    return value


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON; see `write_text`."""
    write_text(path, json.dumps(clean(value), indent=2, ensure_ascii=False) + "\n")


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON Lines; see `write_text`."""
    write_text(path, "".join(json.dumps(clean(row), ensure_ascii=False) + "\n" for row in rows))


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8, so that a reader never sees half of it.

    Raises:
        RunError: The disk is full or read-only; the old file is still there.
    """
    try:
        with new_file(path) as aside:
            aside.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: Exception) -> RunError:
    """Return the error for a file that cannot be written."""
    cure = "Free some space, or choose another folder with hydra.run.dir=…"
    return RunError(Problem(str(path), f"cannot be written: {getattr(error, 'strerror', None) or error}.", cure))
