"""Read plain text files with one text per line."""

from __future__ import annotations

from collections.abc import Iterator

from core.data import files
from core.data.files import File
from core.errors import DataError, Problem
from core.issues import RowIssue
from core.tasks import TextExample
from plugins.data.tabular.part import Part, Record


def open_lines(file: File, label: str, encoding: str) -> Part:
    """Return a file with one text per line as a part; every line has the same label."""
    found, finding = files.resolve_encoding(file.path, encoding)

    def records() -> Iterator[Record]:
        for number, line in enumerate(files.lines(file.path, found), start=1):
            text = line.rstrip("\r\n")
            if not text.strip():
                yield number, files.BLANK
            elif byte := files.undecodable(text):
                yield number, files.undecodable_bytes(byte, found)
            else:
                yield number, (text, label)

    return Part(
        file.name,
        ("text", "label"),
        records,
        split=file.split,
        findings=(finding,) if finding else (),
        written=f"{found} {label}",
        size=file.path.stat().st_size,
    )


def texts(file: File, encoding: str) -> list[TextExample]:
    """Return the lines of one file as examples without targets. Blank lines are skipped.

    Raises:
        DataError: A line cannot be decoded.
    """
    examples = []
    for number, values in open_lines(file, "", encoding).records():
        place = f"{file.name}:{number}"
        if not isinstance(values, RowIssue):
            examples.append(TextExample(values[0], None, None, place))
        elif values is not files.BLANK:
            raise DataError(Problem(place, f"{values.message}.", values.cure))
    return examples
