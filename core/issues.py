"""What is wrong with data, or worth knowing about it: one row's issue, and issues counted over a data set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowIssue:
    """Something about one row that a person must know.

    Attributes:
        code: A stable name, such as `empty_text`; rows are counted by it.
        message: What is wrong with the row: `the text is empty`.
        cure: What to do about it.
        level: `error` for a bad row, subject to `on_bad_row`; `blank` for a line that is no row at all and is left out;
            `note` for a row that is used all the same.
        what: The noun for what is counted: `row`, or a part of one such as `object`.
    """

    code: str
    message: str
    cure: str = ""
    level: str = "error"
    what: str = "row"


@dataclass(frozen=True)
class DataIssue:
    """An issue that the data check found: how often, and where first.

    Attributes:
        code: A stable name, such as `duplicates_across_splits`.
        message: One sentence with the count in it.
        count: How many examples it concerns.
        places: The first few places (`file:row`).
        level: `warning` or `info`; errors are raised instead.
    """

    code: str
    message: str
    count: int
    places: tuple[str, ...] = ()
    level: str = "warning"
