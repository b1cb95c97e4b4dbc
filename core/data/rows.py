"""The rows that a data adapter reads, and the source that they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.issues import DataIssue, RowIssue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


TRAIN, VAL, TEST = range(3)
"""The splits, as `Row.split` and arrays of splits name them."""

NAMES = ("train", "val", "test")
"""The names of the splits, by number."""

UNDECIDED = -1
"""In place of a split: the seed decides."""

SHOWN = 5
"""Number of places that a message names; it counts the others."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as a data adapter read it.

    Attributes:
        example: The example without its target; None if an issue made that impossible.
        label: What the encoder of the target type accepts, or None if missing. Built-in types accept a name (`single`),
            a sequence of names (`multi`), a number or its text (`regression`), or a sequence of `NamedBox` (`boxes`).
        place: Where it was read: `reviews.csv:12`.
        split: `TRAIN`, `VAL`, `TEST`, or `UNDECIDED` if the seed decides.
        group: Examples with the same group (an author, a document) are not independent: they stay in the same split,
            and confidence intervals resample groups. None for no group.
        fault: The issue of the row, or None.
        parts: The issues of parts of the row (such as objects in an image), each with its place. `label` must not
            contain a part with an error. Depending on `on_bad_row`, the row is used without that part.
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
    """The rows of a data adapter, and a way to fetch their examples again.

    Attributes:
        rows: All rows in order, including bad ones; read once.
        take: Returns examples by row number (int64 [k], counted from 0), each with its `place`.
        digest: Hash of the source's bytes and of the options for reading them.
        origin: Where the data came from, for messages and the description.
        findings: Issues found while opening the source.
    """

    rows: Iterable[Row]
    take: Callable[[NDArray[np.int64]], Sequence[Any]]
    digest: str
    origin: str
    findings: tuple[DataIssue, ...] = ()
