"""Store rows from any source as an Arrow table: small ones in memory, others memory-mapped from Graft's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.errors import DataError, Problem
from core.files import new_file
from core.runtime import cache_directory

IN_MEMORY_BYTES = 64 << 20
"""Sources up to this size in bytes stay in memory."""
_BATCH = 8192


class Picker:
    """Fetches rows of some columns of a table by number."""

    def __init__(self, table: pa.Table, columns: Sequence[str]) -> None:
        self._batches = table.select(list(columns)).to_batches()
        self._starts = np.cumsum([0, *(batch.num_rows for batch in self._batches)])

    def pick(self, rows: NDArray[np.int64]) -> list[tuple[Any, ...]]:
        """Return the values of rows by number (int64 [k]), in that order."""
        picked: list[Any] = [None] * len(rows)
        batch_of = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(batch_of):  # taking from all batches at once would copy them
            at = np.flatnonzero(batch_of == number)
            some = self._batches[number].take(pa.array(rows[at] - self._starts[number]))
            columns = (column.to_pylist() for column in some.columns)
            for each, values in zip(at, zip(*columns, strict=True), strict=True):
                picked[each] = values
        return picked


def store(rows: Iterator[tuple[Any, ...]], schema: pa.Schema, size: int, key: str, version: str) -> pa.Table:
    """Return rows as a table.

    Args:
        rows: The rows, with values in the order of the columns; read only if the cache does not contain them.
        schema: The columns.
        size: Size of the source in bytes, which decides between memory and the cache.
        key: Hash of the source's bytes and of how they are read; hexadecimal.
        version: Must change when the columns do, so that tables of older versions are not used.

    Raises:
        DataError: The cache cannot be written.
    """
    if size <= IN_MEMORY_BYTES:
        return pa.Table.from_batches(_batches(rows, schema), schema=schema).combine_chunks()
    path = cache_directory() / "tables" / f"{key[:40]}-{version}.arrow"
    if not path.is_file():
        _write(rows, schema, path)
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _batches(rows: Iterator[tuple[Any, ...]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    while chunk := list(islice(rows, _BATCH)):
        columns = zip(*chunk, strict=True)
        yield pa.record_batch(
            [pa.array(column, type=each.type) for column, each in zip(columns, schema, strict=True)], schema=schema
        )


def _write(rows: Iterator[tuple[Any, ...]], schema: pa.Schema, path: Path) -> None:
    """Write rows as a new table of the cache."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path, shared=True) as aside, aside.open("wb") as file, pa.ipc.new_file(file, schema) as writer:
            for batch in _batches(rows, schema):
                writer.write_batch(batch)
    except OSError as error:
        cure = "Free some space, or set GRAFT_CACHE to a writable folder."
        raise DataError(Problem(str(path.parent), f"the cache cannot be written: {error}.", cure)) from error


def content_digest(table: pa.Table) -> Any:
    """Return a hash of a table's values, independent of its chunks; hexadecimal."""
    import hashlib

    total = hashlib.sha256()
    for column in table.columns:
        for start in range(0, len(column), _BATCH):
            total.update(repr(column.slice(start, _BATCH).to_pylist()).encode("utf-8", "surrogatepass"))
    return total.hexdigest()
