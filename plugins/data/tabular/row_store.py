"""Store rows from any source as an Arrow table: small ones in memory, others memory-mapped from Graft's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.data import Row
from core.errors import DataError, Problem
from core.files import new_file
from core.issues import RowIssue
from core.runtime import cache_directory
from core.tasks import TextExample

IN_MEMORY_BYTES = 64 << 20
"""Sources up to this size in bytes stay in memory."""
_BATCH = 8192
_FORMAT = "1"
"""Must change when the columns below do, so that tables of older versions are not used."""

Stored = tuple[int, int, str | None, str | None, list[str] | None, int, str | None, str | None, str | None]
"""Part, row, text (or an image's path), pair, label (names, or one value as text), split, group, an issue's code and
its message."""

_SCHEMA = pa.schema(
    [
        ("part", pa.int32()),
        ("row", pa.int64()),
        ("text", pa.large_string()),
        ("pair", pa.large_string()),
        ("label", pa.list_(pa.string())),
        ("split", pa.int8()),
        ("group", pa.string()),
        ("fault", pa.string()),
        ("message", pa.string()),
    ]
)


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


class TextRows:
    """The rows of a table, both for splitting and as examples."""

    def __init__(self, table: pa.Table, names: Sequence[str], multi: bool) -> None:
        """Wrap a table with the names of its parts. With `multi`, each label is a list of names."""
        self._table, self._names, self._multi = table, tuple(names), multi
        self._picker = Picker(table, ("part", "row", "text", "pair"))

    def __iter__(self) -> Iterator[Row]:
        from plugins.data.tabular.faults import restore

        for batch in self._table.to_batches(max_chunksize=_BATCH):
            for part, row, text, pair, label, split, group, code, message in zip(
                *(column.to_pylist() for column in batch.columns), strict=True
            ):
                place = f"{self._names[part]}:{row}"
                fault = restore(code, message) if code is not None else None
                raw = label if self._multi or label is None or len(label) != 1 else label[0]
                yield Row(TextExample(text or "", None, pair, place), raw, place, split, group, fault)

    def take(self, rows: NDArray[np.int64]) -> list[TextExample]:
        """Return examples by row number (int64 [k])."""
        return [
            TextExample(text, None, pair, f"{self._names[part]}:{row}")
            for part, row, text, pair in self._picker.pick(rows)
        ]


def store(rows: Iterator[Stored], size: int, key: str) -> pa.Table:
    """Return rows as a table.

    Args:
        rows: The rows; read only if the cache does not contain them.
        size: Size of the source in bytes, which decides between memory and the cache.
        key: Hash of the source's bytes and of how they are read.

    Raises:
        DataError: The cache cannot be written.
    """
    if size <= IN_MEMORY_BYTES:
        return pa.Table.from_batches(_batches(rows), schema=_SCHEMA).combine_chunks()
    path = cache_directory() / "tables" / f"{key[:40]}-{_FORMAT}.arrow"
    if not path.is_file():
        _write(rows, path)
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _batches(rows: Iterator[Stored]) -> Iterator[pa.RecordBatch]:
    while chunk := list(islice(rows, _BATCH)):
        columns = zip(*chunk, strict=True)
        yield pa.record_batch(
            [pa.array(column, type=each.type) for column, each in zip(columns, _SCHEMA, strict=True)], schema=_SCHEMA
        )


def _write(rows: Iterator[Stored], path: Path) -> None:
    """Write rows as a new table of the cache."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path, shared=True) as aside, aside.open("wb") as file, pa.ipc.new_file(file, _SCHEMA) as writer:
            for batch in _batches(rows):
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


def unusable_row(part: int, row: int, fault: RowIssue) -> Stored:
    """Return a row with an issue and without content."""
    return part, row, None, None, None, -1, None, fault.code, fault.message
