"""Turn records from any source into rows for storage: content, label, split and group."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.data import UNDECIDED, files
from core.errors import DataError, Problem
from core.issues import RowIssue
from core.tasks import MULTI, REGRESSION, label_name
from plugins.data.tabular import row_store
from plugins.data.tabular.columns import IMAGE, TEXT, Columns, positions
from plugins.data.tabular.faults import SHORT, VERY_SHORT, bad
from plugins.data.tabular.part import Part
from plugins.data.tabular.row_store import Stored


@dataclass(frozen=True)
class Reading:
    """How records become examples.

    Attributes:
        columns: The configured columns.
        layout: The layout of the task's target type; see `plugins.data.target_layout`.
        label_separator: Separates the labels in one cell (layout `multi`).
        label_names: New names for the data's labels.
        content: The content of examples: `text` or `image`.
    """

    columns: Columns
    layout: str
    label_separator: str = "|"
    label_names: Mapping[str, str] = field(default_factory=dict)
    content: str = TEXT


class LabelNames:
    """New names for labels, and which of them have not been used yet."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given, self._unused = given, set(given)

    def rename(self, labels: list[str]) -> list[str]:
        """Return the new names of labels."""
        self._unused.difference_update(labels)
        return [self._given.get(name, name) for name in labels]

    def all_used(self, rows: Iterable[Stored]) -> Iterator[Stored]:
        """Yield the same rows, then check that every new name was used.

        Raises:
            DataError: After the last row: a renamed label does not occur.
        """
        yield from rows
        if self._unused:
            names = ", ".join(sorted(self._unused))
            cure = "Its keys are labels as written in the data; remove those that do not occur."
            raise DataError(Problem("data.label_names", f"no row has the label {names}.", cure))


def stored(
    parts: Iterable[tuple[int, Part]], columns: Columns, reading: Reading, names: LabelNames
) -> Iterator[Stored]:
    """Yield the rows of numbered parts."""
    for number, part in parts:
        at = positions(part, columns)
        for row, values in part.records():
            if isinstance(values, RowIssue):
                yield row_store.unusable_row(number, row, values)
            else:
                try:
                    yield _row(number, row, values, at, part, columns, reading, names)
                except _BadRowError as error:
                    yield row_store.unusable_row(number, row, error.fault)


class _BadRowError(Exception):
    def __init__(self, code: str, message: str) -> None:
        self.fault = bad(code, message)


def _row(
    number: int,
    row: int,
    values: Sequence[Any],
    at: Mapping[str, Any],
    part: Part,
    columns: Columns,
    reading: Reading,
    names: LabelNames,
) -> Stored:
    content = _path(values[at[IMAGE]]) if reading.content == IMAGE else _text(values[at[TEXT]], "text")
    pair = None if at["pair"] is None else _text(values[at["pair"]], "second text")
    split = part.split if at["split"] is None else _split(values[at["split"]])
    group = None if at["group"] is None or values[at["group"]] in (None, "") else str(values[at["group"]])
    label: list[str] | None
    if columns.labels:
        label = _flags([values[each] for each in at["labels"]], columns.labels)
    else:
        label = None if at["label"] is None else labels(values[at["label"]], reading)
    label = None if label is None else names.rename(label)
    short = reading.content == TEXT and len(content.strip()) <= VERY_SHORT and pair is None
    return number, row, content, pair, label, split, group, *((SHORT.code, SHORT.message) if short else (None, None))


def _text(value: object, what: str) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        raise _BadRowError("empty_text", f"the {what} is missing")
    if not isinstance(value, str):
        if isinstance(value, bool | int | float):
            return str(value)
        raise _BadRowError("not_a_text", f"the {what} is a {type(value).__name__}, not a text")
    if not value.strip():
        raise _BadRowError("empty_text", f"the {what} is empty")
    return value


def _path(value: object) -> str:
    """Return an image's path as written in the row."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        missing = value is None or value != value or (isinstance(value, str) and not value.strip())
        what = "is missing" if missing else f"is not a path: {str(value)[:40]!r}"
        raise _BadRowError("no_image", f"the image {what}")
    if value.startswith(("http://", "https://")):
        raise _BadRowError("no_image", "the image is a web address, and Graft downloads no images")
    return value


def _split(value: object) -> int:
    split = files.SPLIT_NAMES.get(str(value).strip().lower(), UNDECIDED)
    if split == UNDECIDED:
        raise _BadRowError("unknown_split", f"{value!r} is not the name of a split")
    return split


def labels(value: object, reading: Reading) -> list[str] | None:
    """Return the label names in a cell (one, or several for the layout `multi`); None if the label is missing."""
    if value is None:
        return None
    if reading.layout == REGRESSION:
        return [repr(value) if isinstance(value, float) else str(value).strip()]
    if reading.layout == MULTI and isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            try:
                return [label_name(each) for each in json.loads(text)]
            except json.JSONDecodeError:
                pass
        return [name.strip() for name in text.split(reading.label_separator)] if text else []
    if isinstance(value, list | tuple):
        return [label_name(each) for each in value]
    return [label_name(value)]


def _flags(values: Sequence[object], names: Sequence[str]) -> list[str]:
    """Return the names of the columns that contain 1."""
    cells = [label_name(value) if value is not None else "" for value in values]
    for name, cell in zip(names, cells, strict=True):
        if cell not in ("0", "1", "true", "false", "True", "False", "0.0", "1.0"):
            raise _BadRowError("not_zero_or_one", f"the column {name!r} contains {cell!r}")
    return [name for name, cell in zip(names, cells, strict=True) if cell in ("1", "true", "True", "1.0")]
