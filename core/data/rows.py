"""Rows as a data adapter reads them, and the source that they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.issues import DataIssue, RowIssue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


NAMES = ("train", "val", "test")


TRAIN, VAL, TEST = range(3)


UNDECIDED = -1


SHOWN = 5
"""How many places a message names before it only counts."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as a data adapter read it.

    Attributes:
        example: The example without its target, or None if a fault made that impossible.
        label: A name, a sequence of names (`multi`), a value (`regression`, as text or number), or None if missing.
        place: Where it was read: `reviews.csv:12`.
        split: `TRAIN`, `VAL`, `TEST`, or `UNDECIDED` if the seed decides.
        group: Examples with the same group stay in the same split; None for no group.
        fault: What is wrong with the row, or None.
        parts: What is wrong with parts of the row (objects in an image), each with its place. `label` must not contain
            a part with an error; the row is then used without it, subject to `on_bad_row`.
    """

    example: Any
    label: object = None
    place: str = ""
    split: int = UNDECIDED
    group: str | None = None
    fault: RowIssue | None = None
    parts: tuple[tuple[str, RowIssue], ...] = ()


@dataclass(frozen=True)
class Source:
    """What a data adapter found.

    Attributes:
        rows: All rows in order, including bad ones; read once.
        take: Returns examples by row number (int64 [k], counted from 0), each with its `place`.
        digest: Hash of the source's bytes and of the options for reading them.
        origin: Where the data came from, for messages and the description.
        findings: Issues that were found while opening it.
    """

    rows: Iterable[Row]
    take: Callable[[NDArray[np.int64]], Sequence[Any]]
    digest: str
    origin: str
    findings: tuple[DataIssue, ...] = ()
