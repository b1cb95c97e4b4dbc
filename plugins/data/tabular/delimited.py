"""Read CSV and TSV files; separator, quoting and header are detected from the first rows."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from core.data import files
from core.errors import DataError, Problem
from core.issues import RowIssue
from plugins.data.tabular.column_names import is_known
from plugins.data.tabular.faults import bad

SAMPLE = 200
_SEPARATORS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe"}
_BY_NAME = {name: separator for separator, name in _SEPARATORS.items()} | {"\\t": "\t"}
_QUOTED = re.compile(r'"(?:[^"]|"")*"', re.DOTALL)
_LONG_NAME = 48
"""Maximum number of characters in the name of a column, for the detection of headers."""

csv.field_size_limit(2**31 - 1)  # the default refuses texts longer than 131,072 characters


@dataclass(frozen=True)
class Dialect:
    """The options about delimited files.

    Attributes:
        separator: `auto`, a character, or its name.
        quoting: `auto`, `double` or `none`.
        header: `auto`, `present` or `absent`.
        names: The columns that the options name, which a header must contain.
    """

    separator: str = "auto"
    quoting: str = "auto"
    header: str = "auto"
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class DelimitedFormat:
    """The detected format of one file."""

    separator: str
    quoted: bool
    header: bool
    columns: tuple[str, ...]

    @property
    def separator_name(self) -> str:
        """Return the name of the separator."""
        return _SEPARATORS.get(self.separator, repr(self.separator))


def sniff(path: Path, name: str, encoding: str, dialect: Dialect, separator: str) -> DelimitedFormat:
    """Return the format of a file, detected from its first lines.

    Args:
        path: The file.
        name: Its name in messages.
        encoding: Its encoding.
        dialect: The options.
        separator: The separator of the file's suffix, or an empty string.

    Raises:
        DataError: The file has no rows.
    """
    sample = list(islice(files.lines(path, encoding), SAMPLE))
    if not any(line.strip() for line in sample):
        raise DataError(Problem(str(path), "the file has no rows.", "Use a file with examples."))
    separator = _separator(sample, dialect, separator)
    quoted = dialect.quoting == "double" or (dialect.quoting == "auto" and _is_quoted(sample, separator))
    rows = [row for row in _split("".join(sample), separator, quoted) if row]
    first = rows[0]
    header = dialect.header == "present" or (dialect.header == "auto" and _has_header(rows, dialect.names))
    if header:
        columns = tuple(cell.strip() for cell in first)
        repeated = [column for column, count in Counter(columns).items() if count > 1 and column]
        if repeated:
            message = f"the header contains the column {repeated[0]!r} more than once."
            raise DataError(Problem(f"{name}:1", message, "Rename one, or set data.header=absent."))
        if len(rows) == 1 and len(sample) < SAMPLE:
            raise DataError(Problem(str(path), "the file has a header but no rows.", "Use a file with examples."))
    else:
        width = Counter(len(row) for row in rows).most_common(1)[0][0]
        columns = tuple(str(position) for position in range(width))
    return DelimitedFormat(separator, quoted, header, columns)


def _split(text: str, separator: str, quoted: bool) -> Iterator[list[str]]:
    """Yield the rows of a piece of text, leniently."""
    return csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    )


def _separator(sample: Sequence[str], dialect: Dialect, by_suffix: str) -> str:
    """Return the separator: the configured one, the suffix's, or one that all rows share and no space follows."""
    if dialect.separator != "auto":
        separator = _BY_NAME.get(dialect.separator, dialect.separator)
        if len(separator) != 1:
            names = ", ".join(_SEPARATORS.values())
            raise DataError(
                Problem(
                    "data.separator", f"{separator!r} is not one character.", f"Use one character, or one of: {names}."
                )
            )
        return separator
    scores = {}
    for separator in _SEPARATORS:
        rows = [row for row in _split("".join(sample), separator, separator != "\t") if row]
        width, count = Counter(map(len, rows)).most_common(1)[0]
        spaced = sum(cell.startswith(" ") for row in rows for cell in row[1:])  # a comma in prose, not a separator
        scores[separator] = count / len(rows) / (1 + spaced) if width > 1 else 0.0
    if by_suffix and scores[by_suffix] > 0:
        return by_suffix
    return max(scores, key=lambda each: scores[each])


def _is_quoted(sample: Sequence[str], separator: str) -> bool:
    """Return whether values are quoted: in CSV, and in TSV if all fields that start with a quote also end with one."""
    if separator != "\t":
        return True
    fields = [field for line in sample for field in line.rstrip("\r\n").split("\t") if field.startswith('"')]
    return bool(fields) and all(_QUOTED.fullmatch(field) for field in fields)


def _has_header(rows: Sequence[Sequence[str]], names: Sequence[str]) -> bool:
    """Return whether the first row is a header: it has a known column name, or looks like names and never recurs."""
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    if set(names) & set(first) or any(is_known(cell) for cell in first):
        return True
    if len(set(first)) < len(first) or any(not cell or len(cell) > _LONG_NAME or _is_number(cell) for cell in first):
        return False
    recurs = any(cell == row[at].strip() for row in rest for at, cell in enumerate(first) if at < len(row))
    return not recurs and len(first) > 1 and all(len(cell.split()) <= 3 for cell in first) and len(rest) > 1


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def read(path: Path, encoding: str, form: DelimitedFormat) -> Iterator[tuple[int, Sequence[str] | RowIssue]]:
    """Yield every row after the header: its line number, and its values or its issue."""
    width = len(form.columns)
    reader = csv.reader(
        files.lines(path, encoding),
        delimiter=form.separator,
        quoting=csv.QUOTE_MINIMAL if form.quoted else csv.QUOTE_NONE,
        strict=True,
    )
    header = form.header
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, bad("broken_quote", f"the row has broken quotes ({error})")
            continue
        if not row:
            yield number, files.BLANK
        elif header:
            header = False
        elif len(row) != width:
            yield number, bad("ragged_row", f"the row has {_columns(len(row))} but the file has {width}")
        elif byte := next(filter(None, map(files.undecodable, row)), ""):
            yield number, files.undecodable_bytes(byte, encoding)
        else:
            yield number, row


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"
