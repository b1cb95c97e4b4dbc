"""Read the parts of any source (files, splits of a dataset) into splits of text examples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.contracts import SplitOptions, Splits
from core.data import UNDECIDED, Source, build_splits, files
from core.data.files import File
from core.errors import DataError, Problem
from core.tasks import MULTI, Task, TextExample
from plugins.data.tabular import row_store
from plugins.data.tabular.columns import Columns, choose
from plugins.data.tabular.delimited import Dialect
from plugins.data.tabular.formats import FORMATS, open_part
from plugins.data.tabular.part import Part
from plugins.data.tabular.plain_text import texts
from plugins.data.tabular.row_store import TextRows
from plugins.data.tabular.rows import LabelNames, Reading, stored


@dataclass(frozen=True)
class TextFiles:
    """Paths and formats of text files.

    Attributes:
        path, train, val, test: A file, a folder, a glob, or empty.
        format, encoding, dialect: The files' format.
    """

    path: str = ""
    train: str = ""
    val: str = ""
    test: str = ""
    format: str = "auto"
    encoding: str = "auto"
    dialect: Dialect = field(default_factory=Dialect)

    def files(self) -> list[File]:
        """Return the files, each with its split."""
        suffixes = tuple(FORMATS) if self.format == "auto" else ()
        return files.find_all(self.path, {"train": self.train, "val": self.val, "test": self.test}, suffixes)


def load_table(given: TextFiles, reading: Reading, options: SplitOptions, task: Task, seed: int) -> Splits:
    """Read files into splits; see `DataAdapter.load`."""
    found = given.files()
    parts = open_parts(given, found)
    origin = ", ".join(file.name for file in found[:3]) + (f" and {len(found) - 3} more files" if found[3:] else "")
    return load_parts(parts, reading, options, task, seed, origin, files.digest(found))


def open_parts(given: TextFiles, found: Sequence[File]) -> list[Part]:
    """Open files and read their column names.

    Raises:
        DataError: Files are empty or cannot be read; the error names all of them.
    """
    files.refuse_empty(found)
    parts: list[Part] = []
    problems: list[Problem] = []
    for file in found:
        try:
            parts.append(open_part(file, given.format, given.encoding, given.dialect))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)
    return parts


def load_parts(
    parts: Sequence[Part], reading: Reading, options: SplitOptions, task: Task, seed: int, origin: str, digest: str
) -> Splits:
    """Turn parts into splits.

    Args:
        parts: The parts.
        reading: How records become examples.
        options: How to split.
        task: The task.
        seed: Seed of the split.
        origin: Name of the source in messages.
        digest: Hash of the source's bytes; empty if only its content can be hashed.

    Raises:
        DataError: See `DataAdapter.load`.
    """
    columns = choose(parts[0], reading.columns, reading.layout)
    key = hashlib.sha256(repr((digest, columns, reading, [(part.name, part.written) for part in parts])).encode())
    size = sum(part.size for part in parts)
    names = LabelNames(reading.label_names)
    table = row_store.store(names.all_used(stored(enumerate(parts), columns, reading, names)), size, key.hexdigest())
    details = "; ".join(filter(None, dict.fromkeys((*(part.how for part in parts[:1]), columns.describe()))))
    rows = TextRows(table, [part.name for part in parts], reading.layout == MULTI)
    source = Source(
        rows=rows,
        take=rows.take,
        digest=digest or files.content_digest(table),
        origin=f"{origin} ({details})" if details else origin,
        findings=tuple(finding for part in parts for finding in part.findings),
    )
    return build_splits(source, task, seed, options)


def unlabeled(given: TextFiles, columns: Columns, path: Path) -> list[TextExample]:
    """Return the texts or pairs of one file without labels. A `.txt` file holds one text per line.

    Raises:
        DataError: The file is missing or malformed, or has an unusable row.
    """
    (found,) = files.name_files([(each, UNDECIDED) for each in files.find("the file", str(path))][:1])
    files.refuse_empty([found])
    if found.path.suffix.lower() == ".txt" and given.format == "auto":
        return texts(found, given.encoding)
    part = open_part(found, given.format, given.encoding, given.dialect)
    wanted = Columns(text=columns.text, pair=columns.pair)
    chosen = choose(part, wanted, "single", labeled=False)
    reading = Reading(chosen, "single")
    kept = stored([(0, part)], chosen, reading, LabelNames({}))
    rows = TextRows(row_store.store(kept, 0, ""), [part.name], False)
    problems, examples = [], []
    for row in rows:
        if row.fault is None or row.fault.level == "note":
            examples.append(row.example)
        elif row.fault.level == "error":
            problems.append(Problem(row.place, f"{row.fault.message}.", row.fault.cure))
    if problems:
        raise DataError(*problems[:5])
    return examples
