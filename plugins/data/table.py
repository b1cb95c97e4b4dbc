"""Parts of any kind (files, splits of a dataset) as splits of text examples."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.contracts import Splits, Task
from core.errors import DataError, Problem
from core.kinds import MULTI, REGRESSION, TextExample
from core.registry import load as registry
from core.splits import UNDECIDED, CutOptions, Fault, Source, build
from core.targets import label_name
from plugins.data import arrow, files
from plugins.data.arrow import Stored, TextRows
from plugins.data.columns import Columns, choose, positions
from plugins.data.delimited import Dialect
from plugins.data.faults import SHORT, VERY_SHORT, bad
from plugins.data.files import File
from plugins.data.formats import FORMATS, Part, open_part


@dataclass(frozen=True)
class Reading:
    """How rows become examples.

    Attributes:
        columns: What the options say of columns.
        target: The task's target.
        label_separator: Between the labels of one cell (`multi`).
        label_names: Names to use in place of values.
    """

    columns: Columns
    target: str
    label_separator: str = "|"
    label_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where the files are and how they are written.

    Attributes:
        path, train, val, test: A file, folder or glob each, or empty.
        format, encoding, dialect: How they are written.
    """

    path: str = ""
    train: str = ""
    val: str = ""
    test: str = ""
    format: str = "auto"
    encoding: str = "auto"
    dialect: Dialect = field(default_factory=Dialect)

    def files(self) -> list[File]:
        """The files, each with its split."""
        suffixes = tuple(FORMATS) if self.format == "auto" else ()
        if self.path:
            return files.by_name("data.path", files.find("data.path", self.path, suffixes))
        found: list[tuple[Path, int]] = []
        problems: list[Problem] = []
        for split, name in enumerate(("train", "val", "test")):
            try:
                given = getattr(self, name)
                found += [(path, split) for path in files.find(f"data.{name}", given, suffixes)] if given else []
            except DataError as error:
                problems += error.problems
        if problems:
            raise DataError(*problems)
        return files.name_files(found)


def load(place: Place, reading: Reading, options: CutOptions, task: Task, seed: int) -> Splits:
    """Read files into splits; see `DataAdapter.load`."""
    found = place.files()
    files.refuse_empty(found)
    parts: list[Part] = []
    problems: list[Problem] = []
    for file in found:
        try:
            parts.append(open_part(file, place.format, place.encoding, place.dialect))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)
    origin = ", ".join(file.name for file in found[:3]) + (f" and {len(found) - 3} more files" if found[3:] else "")
    return load_parts(parts, reading, options, task, seed, origin, files.digest(found))


def load_parts(
    parts: Sequence[Part], reading: Reading, options: CutOptions, task: Task, seed: int, origin: str, digest: str
) -> Splits:
    """Parts as splits.

    Args:
        parts: What to read.
        reading: How.
        options: How to cut.
        task: The task.
        seed: Of the cut.
        origin: What to call the source.
        digest: Hash of its bytes; empty where only its content can be hashed.

    Raises:
        DataError: See `DataAdapter.load`.
    """
    columns = choose(parts[0], reading.columns, reading.target)
    key = hashlib.sha256(repr((digest, columns, reading, [(part.name, part.written) for part in parts])).encode())
    size = sum(part.size for part in parts)
    table = arrow.store(_stored(parts, columns, reading), size, key.hexdigest())
    details = "; ".join(filter(None, dict.fromkeys((*(part.how for part in parts[:1]), columns.describe()))))
    rows = TextRows(table, [part.name for part in parts], reading.target == MULTI)
    source = Source(
        rows=rows,
        take=rows.take,
        digest=digest or arrow.content_digest(table),
        origin=f"{origin} ({details})" if details else origin,
        findings=tuple(finding for part in parts for finding in part.findings),
    )
    return build(source, registry().kind(task.kind), task, seed, options)


def _stored(parts: Sequence[Part], columns: Columns, reading: Reading) -> Iterator[Stored]:
    unused = set(reading.label_names)
    for number, part in enumerate(parts):
        at = positions(part, columns)
        for row, values in part.records():
            if isinstance(values, Fault):
                yield arrow.faulty(number, row, values)
            else:
                try:
                    yield _row(number, row, values, at, part, columns, reading, unused)
                except _BadRowError as error:
                    yield arrow.faulty(number, row, error.fault)
    if unused:
        names = ", ".join(sorted(unused))
        cure = "Its keys are labels as they stand in the data; remove those that do not occur."
        raise DataError(Problem("data.label_names", f"no row has the label {names}.", cure))


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
    unused: set[str],
) -> Stored:
    text = _text(values[at["text"]], "text")
    pair = None if at["pair"] is None else _text(values[at["pair"]], "second text")
    split = part.split if at["split"] is None else _split(values[at["split"]])
    group = None if at["group"] is None or values[at["group"]] in (None, "") else str(values[at["group"]])
    label: list[str] | None
    if columns.labels:
        label = _flags([values[each] for each in at["labels"]], columns.labels)
    else:
        label = None if at["label"] is None else _labels(values[at["label"]], reading)
    if label is not None and reading.label_names:
        unused.difference_update(label)
        label = [reading.label_names.get(name, name) for name in label]
    note = SHORT if len(text.strip()) <= VERY_SHORT and pair is None else None
    return number, row, text, pair, label, split, group, *((note.code, note.message) if note else (None, None))


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


def _split(value: object) -> int:
    split = files.SPLIT_NAMES.get(str(value).strip().lower(), UNDECIDED)
    if split == UNDECIDED:
        raise _BadRowError("unknown_split", f"{value!r} is not the name of a split")
    return split


def _labels(value: object, reading: Reading) -> list[str] | None:
    """Label names of a cell as text, one unless the target is `multi`; None where it is missing."""
    if value is None:
        return None
    if reading.target == REGRESSION:
        return [repr(value) if isinstance(value, float) else str(value).strip()]
    if reading.target == MULTI and isinstance(value, str):
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
    """The names of the columns that hold 1."""
    cells = [label_name(value) if value is not None else "" for value in values]
    for name, cell in zip(names, cells, strict=True):
        if cell not in ("0", "1", "true", "false", "True", "False", "0.0", "1.0"):
            raise _BadRowError("not_zero_or_one", f"the column {name!r} holds {cell!r}")
    return [name for name, cell in zip(names, cells, strict=True) if cell in ("1", "true", "True", "1.0")]


def unlabelled(place: Place, columns: Columns, path: Path) -> list[TextExample]:
    """Texts, or pairs, of one file without their labels; a `.txt` file holds one text a line.

    Raises:
        DataError: The file is missing or malformed; every bad row is an error here.
    """
    (found,) = files.name_files([(each, UNDECIDED) for each in files.find("the file", str(path))][:1])
    files.refuse_empty([found])
    if found.path.suffix.lower() == ".txt" and place.format == "auto":
        from plugins.data.lines import texts

        return texts(found, place.encoding)
    part = open_part(found, place.format, place.encoding, place.dialect)
    wanted = Columns(text=columns.text, pair=columns.pair)
    chosen = choose(part, wanted, "single", labelled=False)
    reading = Reading(chosen, "single")
    rows = TextRows(arrow.store(_stored([part], chosen, reading), 0, ""), [part.name], False)
    problems, examples = [], []
    for row in rows:
        if row.fault is None or row.fault.level == "note":
            examples.append(row.example)
        elif row.fault.level == "error":
            problems.append(Problem(row.place, f"{row.fault.message}.", row.fault.cure))
    if problems:
        raise DataError(*problems[:5])
    return examples
