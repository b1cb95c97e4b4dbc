"""Store rows of tables as an Arrow table, and read them back as texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.data import Row, files
from core.issues import RowIssue
from core.tasks import TextExample

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


class TextRows:
    """The rows of a table, both for splitting and as examples."""

    def __init__(self, table: pa.Table, names: Sequence[str], multi: bool) -> None:
        """Wrap a table with the names of its parts. With `multi`, each label is a list of names."""
        self._table, self._names, self._multi = table, tuple(names), multi
        self._picker = files.Picker(table, ("part", "row", "text", "pair"))

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
    """Return rows as a table; see `core.data.files.store`."""
    return files.store(rows, _SCHEMA, size, key, _FORMAT)


def unusable_row(part: int, row: int, fault: RowIssue) -> Stored:
    """Return a row with an issue and without content."""
    return part, row, None, None, None, -1, None, fault.code, fault.message
