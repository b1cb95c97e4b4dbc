"""One file, or one split of a dataset, as named columns and numbered records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from core.data import UNDECIDED
from core.issues import DataIssue, RowIssue

Record = tuple[int, "Sequence[Any] | RowIssue"]
"""The row's number (from 1; in text files the line), and its values in the order of the columns, or its issue."""


@dataclass(frozen=True)
class Part:
    """One file, or one split of a dataset.

    Attributes:
        name: Its name in places: `reviews.csv`.
        columns: The names of its columns, or their positions as text without a header.
        records: Returns a new iterator over its records.
        named: Whether the columns have names.
        split: `TRAIN`, `VAL`, `TEST` or `UNDECIDED`.
        sample: The first few usable records, for guessing the columns' roles.
        findings: Issues found while opening it.
        how: A short description of its format.
        written: Everything that the conversion of its bytes to values depends on, for cache keys.
        size: Size in bytes.
    """

    name: str
    columns: tuple[str, ...]
    records: Callable[[], Iterator[Record]]
    named: bool = True
    split: int = UNDECIDED
    sample: Sequence[Sequence[Any]] = ()
    findings: tuple[DataIssue, ...] = ()
    how: str = ""
    written: str = ""
    size: int = 0
