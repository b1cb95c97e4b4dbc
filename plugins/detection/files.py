"""Checkpoints as files: that one is the file that was pinned."""

from __future__ import annotations

import hashlib
from pathlib import Path

from core.errors import Problem, WeightsError


def sha256_of(path: Path, wanted: str = "") -> str:
    """The hash of a file.

    Args:
        path: The file.
        wanted: What it must be; empty for anything.

    Raises:
        WeightsError: The file cannot be read, or is another one.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(Problem("model.checkpoint", f"{path} cannot be read ({error.strerror}).")) from error
    if wanted and found != wanted.lower():
        message = f"{path} is not the file that was pinned: its SHA-256 is {found}, not {wanted}."
        raise WeightsError(Problem("model.sha256", message, "Take out model.sha256 if the new file is wanted."))
    return found
