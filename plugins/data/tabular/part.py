"""One file, or one split of a dataset, as named columns and numbered records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from core.data import UNDECIDED
from core.issues import DataIssue, RowIssue

Record = tuple[int, "Sequence[Any] | RowIssue"]
"""The row's number (from 1; a line of a text file), and its values in the order of the columns, or what is wrong."""


@dataclass(frozen=True)
class Part:
    """One file, or one split of a dataset.

    Attributes:
        name: What it is called in places: `reviews.csv`.
        columns: The names of its columns, or their positions as text where it has no header.
        records: Reads its records anew.
        named: Whether the columns have names.
        split: `TRAIN`, `VAL`, `TEST` or `UNDECIDED`.
        sample: The first few good records, for guessing which column is what.
        findings: What was found while opening it.
        how: How it is read, in a few words.
        written: Everything that decides how its bytes become values, for keys.
        size: Bytes.
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
