"""Rows of features in a temporary file, if they are too large for memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import Problem, RunError
from core.tasks import objects

MOST = 0.5
"""Largest share of the free memory that the features of a split may take."""


def exceeds_memory(n_bytes: float) -> bool:
    """Return whether features of this size would take too much of the memory that is free now."""
    import psutil

    return n_bytes > MOST * float(psutil.virtual_memory().available)


class FeatureFile:
    """Features of n examples, [k, ...] each, in a file that is deleted when nothing refers to it any more.

    Args:
        n: Number of examples.
        folder: The folder of the file; it is created if it does not exist.

    Raises:
        RunError: The file cannot be created.
    """

    def __init__(self, n: int, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: Any = tempfile.TemporaryFile(dir=folder, prefix="features-")  # noqa: SIM115
        except OSError as error:
            raise self._unwritable(error) from error
        self._starts, self._sizes = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self._written = 0
        self._shape: tuple[int, ...] = ()

    def add(self, rows: NDArray[np.int64], values: Sequence[NDArray[np.float32]] | NDArray[Any]) -> None:
        """Append the features of examples.

        Args:
            rows: The numbers of the examples, [b].
            values: Their features, b arrays [k, ...].

        Raises:
            RunError: The disk is full.
        """
        for row, value in zip(rows, values, strict=True):
            self._starts[row], self._sizes[row] = self._written, len(value)
            try:
                self._file.write(np.ascontiguousarray(value, dtype=np.float32).tobytes())
            except OSError as error:
                raise self._unwritable(error) from error
            self._written += len(value)
            self._shape = value.shape[1:]

    def arrays(self) -> NDArray[np.object_]:
        """Return the features of all examples, object [n]; the operating system reads them when they are used."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from error
        # One map for all: the number of maps of a process is limited.
        flat = np.memmap(self._file, dtype=np.float32, mode="r", shape=(self._written, *self._shape))
        all_rows: NDArray[np.float32] = np.asarray(flat)
        ends = self._starts + self._sizes
        return objects(all_rows[start:end] for start, end in zip(self._starts, ends, strict=True))

    def _unwritable(self, error: OSError) -> RunError:
        message = f"the features cannot be written to a file: {error.strerror or error}."
        return RunError(Problem(str(self._folder), message, "Free some space, or set GRAFT_CACHE to another folder."))
