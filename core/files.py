"""Write files and folders atomically, and write JSON."""

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
    """Yield a temporary path beside `path`; at the end the file is synced and renamed to `path`.

    A process that is killed at any instant leaves the old file or the new one, never a part of one. After an error the
    old file is still there, and the temporary file is removed.

    Args:
        path: The file to write or replace; its folder exists.
        shared: Whether other processes can write the same file, as in a cache.

    Example:
        with new_file(path) as temporary:
            temporary.write_text(text)

    Raises:
        OSError: The disk is full or read-only.
    """
    temporary = _temporary_path(path, shared)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


@contextmanager
def new_folder(path: Path, shared: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; at the end it is synced and renamed to `path`.

    Args:
        path: The folder to create; it does not exist or is empty. Its parent exists.
        shared: Whether other processes can create the same folder, as in a cache. If one was faster, its folder stays
            and this one is removed.

    Raises:
        OSError: The disk is full or read-only, or the folder is not empty and not shared.
    """
    temporary = _temporary_path(path, shared)
    shutil.rmtree(temporary, ignore_errors=True)  # left by a process that was killed
    temporary.mkdir()
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
            else:
                _sync_folder(file)
        _sync_folder(temporary)
        try:
            temporary.rename(path)  # this also replaces an empty folder
        except OSError:
            if not (shared and path.is_dir()):
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _sync_folder(path.parent)


def _temporary_path(path: Path, shared: bool) -> Path:
    """Return a temporary path beside `path`; it is unique per process if `shared`."""
    unique = f".{os.getpid()}-{os.urandom(4).hex()}" if shared else ""
    return path.with_name(f"{path.name}{unique}.partial")


def _sync(file: Path) -> None:
    access = os.O_RDWR if os.name == "nt" else os.O_RDONLY  # only Windows needs write access to sync
    descriptor = os.open(file, access)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Sync the entries of a folder, so that a rename survives a power failure."""
    with suppress(OSError):  # Windows and some network file systems cannot sync a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def clean(value: Any) -> Any:
    """Return the value with None for NaN and infinities, so that any JSON parser can read it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): clean(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [clean(each) for each in value]
    return value


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, atomically; see `write_text`."""
    write_text(path, json.dumps(clean(value), indent=2, ensure_ascii=False) + "\n")


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON Lines, atomically; see `write_text`."""
    write_text(path, "".join(json.dumps(clean(row), ensure_ascii=False) + "\n" for row in rows))


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8, atomically: a reader never sees a part of it.

    Raises:
        RunError: The disk is full or read-only; the old file is still there.
    """
    try:
        with new_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: Exception) -> RunError:
    """Return the error for a file that cannot be written."""
    cure = "Free some space, or choose another folder with hydra.run.dir=…"
    return RunError(Problem(str(path), f"cannot be written: {getattr(error, 'strerror', None) or error}.", cure))
