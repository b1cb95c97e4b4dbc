"""Issues in data: of one row, and counted over a data set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowIssue:
    """Something that the user must know about one row.

    Attributes:
        code: A stable name, such as `empty_text`; issues are counted by it.
        message: What is wrong with the row, such as `the text is empty`.
        cure: How to fix it.
        level: `error` for a bad row, subject to `on_bad_row`; `blank` for a line that is not a row and is skipped;
            `note` for a row that is used anyway.
        what: The noun for what is counted: `row`, or a part of a row such as `object`.
    """

    code: str
    message: str
    cure: str = ""
    level: str = "error"
    what: str = "row"


@dataclass(frozen=True)
class DataIssue:
    """An issue that the data check found, with its count and its first places.

    Attributes:
        code: A stable name, such as `duplicates_across_splits`.
        message: One sentence that contains the count.
        count: Number of examples that have the issue.
        places: Where it occurs first (`file:row`).
        level: `warning` or `info`; errors are raised instead.
    """

    code: str
    message: str
    count: int
    places: tuple[str, ...] = ()
    level: str = "warning"
