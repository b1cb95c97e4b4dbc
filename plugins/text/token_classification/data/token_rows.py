"""Store sentences as an Arrow table, and read them back as rows with tags in IOB2."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import starmap

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.data import Row, RowIssue, files
from core.errors import DataError, Problem
from plugins.text.token_classification.data.faults import restore
from plugins.text.token_classification.data.reading import AUTO, Part, Reading
from plugins.text.token_classification.data.schemes import EDGE, IO, IOB2, PLAIN, Scheme, count_pairs, find_scheme
from plugins.text.token_classification.example import TokenExample

_BATCH = 2048
_FORMAT = "tokens-1"
"""Must change when the columns below do, so that tables of older versions are not used."""

_SCHEMA = pa.schema(
    [
        ("part", pa.int32()),
        ("row", pa.int64()),
        ("text", pa.large_string()),
        ("starts", pa.list_(pa.int32())),
        ("ends", pa.list_(pa.int32())),
        ("tags", pa.list_(pa.string())),
        ("aligned", pa.bool_()),
        ("split", pa.int8()),
        ("group", pa.string()),
        ("notes", pa.list_(pa.string())),
        ("fault", pa.string()),
        ("message", pa.string()),
    ]
)


def store(parts: Sequence[Part], key: str) -> pa.Table:
    """Return the sentences of parts as a table.

    Args:
        parts: The parts.
        key: Hash of their bytes and of how they are read.

    Raises:
        DataError: The cache cannot be written.
    """
    return files.store(_stored(parts), _SCHEMA, sum(part.size for part in parts), key, _FORMAT)


def _stored(parts: Sequence[Part]) -> Iterator[tuple[object, ...]]:
    for number, part in enumerate(parts):
        for row, each in part.records():
            if isinstance(each, RowIssue):
                yield number, row, None, None, None, None, False, -1, None, None, each.code, each.message
                continue
            starts, ends = zip(*each.words, strict=True)
            content = (each.text, starts, ends, each.tags, each.aligned, each.split, each.group, each.notes)
            yield number, row, *content, None, None


class TokenRows:
    """The rows of a table, both for splitting and as examples.

    Args:
        table: The table.
        names: The names of its parts.
        reading: The options.

    Raises:
        DataError: The tags fit no scheme, or a label to rename does not occur.
    """

    def __init__(self, table: pa.Table, names: Sequence[str], reading: Reading) -> None:
        self._table, self._names = table, tuple(names)
        self._picker = files.Picker(table, ("part", "row", "text", "starts", "ends"))
        by_hand, from_spans = count_pairs(self._tags(False)), count_pairs(self._tags(True))
        self.scheme: Scheme = find_scheme(by_hand, reading.scheme if by_hand else IOB2, reading.label_names)
        if reading.entities and reading.scheme == AUTO and self.scheme.name == PLAIN:
            self.scheme = find_scheme(by_hand, IO, reading.label_names)  # each word is in a span
        self.tagged = sum(count for (before, _), count in by_hand.items() if before == EDGE)
        """Number of sentences with tags that were not made from spans."""
        self.from_spans = bool(from_spans)
        """Whether there are sentences with spans."""
        self._spans = find_scheme(from_spans, IOB2, reading.label_names)
        labels = {*self.scheme.labels, *self._spans.labels}
        if unused := [name for name in reading.label_names if name not in labels]:
            cure = f"The data has the labels {', '.join(sorted(labels))}."
            raise DataError(Problem("data.label_names", f"no span has the label {', '.join(unused)}.", cure))

    def _tags(self, aligned: bool) -> Iterator[list[str]]:
        """Yield the tags of the sentences that have tags, or of those that have spans."""
        columns = self._table.select(["tags", "aligned"])
        for batch in columns.to_batches(max_chunksize=_BATCH):
            for tags, from_spans in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if tags is not None and from_spans == aligned:
                    yield tags

    def __iter__(self) -> Iterator[Row]:
        for batch in self._table.to_batches(max_chunksize=_BATCH):
            yield from starmap(self._row, zip(*(column.to_pylist() for column in batch.columns), strict=True))

    def _row(
        self,
        part: int,
        row: int,
        text: str | None,
        starts: list[int] | None,
        ends: list[int] | None,
        tags: list[str] | None,
        aligned: bool,
        split: int,
        group: str | None,
        notes: list[str] | None,
        code: str | None,
        message: str,
    ) -> Row:
        place = f"{self._names[part]}:{row}"
        if code is not None:
            return Row(None, None, place, split, group, restore(code, message))
        example = self._example(part, row, text or "", starts or [], ends or [])
        parts = tuple((place, restore(each)) for each in notes or ())
        label = None if tags is None else (self._spans if aligned else self.scheme).convert(tags)
        if isinstance(label, RowIssue):
            return Row(example, None, place, split, group, label, parts)
        return Row(example, label, place, split, group, None, parts)

    def take(self, rows: NDArray[np.int64]) -> list[TokenExample]:
        """Return examples by row number (int64 [k])."""
        return list(starmap(self._example, self._picker.pick(rows)))

    def _example(self, part: int, row: int, text: str, starts: list[int], ends: list[int]) -> TokenExample:
        return TokenExample(text, tuple(zip(starts, ends, strict=True)), None, f"{self._names[part]}:{row}")
