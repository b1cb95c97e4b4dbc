"""Read files with a word and its tags on each line, and blank lines between sentences (CoNLL)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from core.data import RowIssue, files
from core.data.files import File
from core.errors import DataError, Problem
from plugins.text.token_classification.data.faults import BadRowError
from plugins.text.token_classification.data.json_forms import tag_name, word_text
from plugins.text.token_classification.data.reading import Part, Reading, Record, Sentence
from plugins.text.token_classification.example import joined

DOCUMENT = "-DOCSTART-"
BY_DOCUMENT = "docstart"
"""The value of `data.group` that keeps documents together."""

_SAMPLE = 2000
_SPACES = re.compile(r"[ \t]+")
_UNIVERSAL = 10
"""Number of columns of CoNLL-U; its words are in the second column, its parts of speech in the fourth."""
_RANGE = re.compile(r"\d+[-.]\d+")
"""The id of a word of CoNLL-U that is repeated as several words, or that is not in the text."""
_TAG = re.compile(r"O|[BIESLU]-\S+")

Line = tuple[int, str]


@dataclass(frozen=True)
class Columns:
    """The columns of a file.

    Attributes:
        tabs: Whether tabs separate them; else spaces and tabs do.
        width: Their number.
        word, tag: The columns of words and tags, from 0.
        universal: Whether it is CoNLL-U.
    """

    tabs: bool
    width: int
    word: int
    tag: int
    universal: bool = False

    def split(self, line: str) -> list[str]:
        """Return the cells of a line."""
        if self.tabs:
            return [cell.strip() for cell in line.split("\t")]
        return _SPACES.split(line.strip(" \t"))

    def describe(self) -> str:
        """Return a description: `4 columns, words from 0, tags from 3`."""
        columns = f"{_columns(self.width)} separated by {'tabs' if self.tabs else 'spaces'}"
        return f"{columns}, words from {self.word}, tags from {self.tag}"


def open_conll(file: File, encoding: str, reading: Reading) -> Part:
    """Return a file as a part.

    Args:
        file: The file.
        encoding: Its encoding.
        reading: The options.

    Raises:
        DataError: It has no sentences, or lacks a column.
    """
    columns = _sniff(file, encoding, reading)
    if reading.group not in ("", BY_DOCUMENT):
        message = f"{file.name} has columns of words; its sentences can only be grouped by document."
        raise DataError(Problem("data.group", message, f"data.group={BY_DOCUMENT}, or leave it out."))

    def records() -> Iterator[Record]:
        document = 0
        for document, block in _blocks(file.path, encoding):
            group = f"{file.name}:{document}" if reading.group else None
            try:
                found = _sentence(block, columns, reading, encoding, file.split, group)
            except _BadLineError as error:
                yield error.line, error.issue
                continue
            if found is not None:
                yield found
        if reading.group and document == 0:
            message = f"{file.name} has no lines {DOCUMENT}, which separate documents."
            raise DataError(Problem("data.group", message, "Leave out data.group."))

    return Part(file.name, records, columns.describe(), f"{encoding} {columns}")


def has_tags(file: File, encoding: str, reading: Reading, tags: Collection[str]) -> bool:
    """Return whether all lines have equally many columns, and at least half of them a tag in the column of tags.

    Args:
        file: The file, which may also hold running text.
        encoding: Its encoding.
        reading: The options.
        tags: Tags that are known; tags with usual prefixes count too.
    """
    try:
        columns = _sniff(file, encoding, reading)
    except DataError:  # the lines have one column, or not the columns of the options
        return False
    rows = [columns.split(line) for line in _sample(file, encoding)]
    if any(len(cells) != columns.width for cells in rows):
        return False
    found = sum(cells[columns.tag] in tags or bool(_TAG.fullmatch(cells[columns.tag])) for cells in rows)
    return 2 * found >= len(rows)


def _sample(file: File, encoding: str) -> list[str]:
    """Return the first lines of a file that are neither blank nor a comment; comments if there are no others."""
    lines = [line.rstrip("\r\n") for line in islice(files.lines(file.path, encoding), _SAMPLE)]
    sample = [line for line in lines if line.strip() and not _is_document(line)]
    return [line for line in sample if not line.startswith("#")] or sample


def _sniff(file: File, encoding: str, reading: Reading) -> Columns:
    """Return the columns of a file, from its first lines."""
    words = _sample(file, encoding)
    if not words:
        raise DataError(Problem(str(file.path), "the file has no sentences.", "Use a file with examples."))
    tabs = 2 * sum("\t" in line for line in words) > len(words)
    width = Counter(len(Columns(tabs, 0, 0, 0).split(line)) for line in words).most_common(1)[0][0]
    universal = tabs and width == _UNIVERSAL and all(line.split("\t")[0][:1].isdecimal() for line in words)
    word = 1 if universal and reading.word_column == 0 else reading.word_column
    last = 3 if universal else width - 1
    tag = last if reading.tag_column == -1 else reading.tag_column
    for option, column in (("word_column", word), ("tag_column", tag if reading.labeled else 0)):
        if column >= width:
            message = f"there is no column {column}: {file.name} has {_columns(width)}."
            raise DataError(Problem(f"data.{option}", message, "Columns are numbered from 0."))
    if reading.labeled and word == tag:
        if width > 1:
            message, cure = "the words and the tags are in one column.", "Set data.tag_column."
        else:
            message = "its lines have one column, so no tags."
            cure = "Put a tab or a space between each word and its tag."
        raise DataError(Problem(file.name, message, f"{cure} The first line: {words[0][:60]!r}."))
    columns = Columns(tabs, width, word, tag, universal)
    if word == 0 and width > 2 and len(words) > 1 and all(columns.split(line)[0].isdecimal() for line in words):
        message = f"column 0 holds numbers, not words. The first line: {words[0][:60]!r}."
        raise DataError(Problem(file.name, message, "Set data.word_column, such as data.word_column=1."))
    return columns


def _is_document(line: str) -> bool:
    return line.lstrip().startswith(DOCUMENT) and _SPACES.split(line.strip())[0] == DOCUMENT


def _blocks(path: Path, encoding: str) -> Iterator[tuple[int, list[Line]]]:
    """Yield the numbered lines of each sentence, with the number of its document."""
    block: list[Line] = []
    document = 0
    for number, line in enumerate(files.lines(path, encoding), start=1):
        if line.strip() and not _is_document(line):
            block.append((number, line.rstrip("\r\n")))
            continue
        if block:
            yield document, block
            block = []
        document += bool(line.strip())
    if block:
        yield document, block


class _BadLineError(Exception):
    def __init__(self, line: int, issue: RowIssue) -> None:
        self.line, self.issue = line, issue


def _sentence(
    block: Sequence[Line], columns: Columns, reading: Reading, encoding: str, split: int, group: str | None
) -> Record | None:
    """Return the sentence of some lines, with the number of its first word; None if they are comments."""
    start = 0
    while start < len(block) and _is_comment(block[start][1], columns):
        start += 1
    words: list[str] = []
    tags: list[str] = []
    for number, line in block[start:]:
        if byte := files.undecodable(line):
            raise _BadLineError(number, files.undecodable_bytes(byte, encoding))
        cells = columns.split(line)
        try:
            if len(cells) != columns.width:
                raise BadRowError(
                    "ragged_row", f"the line has {_columns(len(cells))}, but the file has {columns.width}"
                )
            if columns.universal and _RANGE.fullmatch(cells[0]):
                continue
            words.append(word_text(cells[columns.word], len(words) + 1))
            if reading.labeled:
                tags.append(tag_name(cells[columns.tag], len(words), reading.tag_names))
        except BadRowError as error:
            raise _BadLineError(number, error.issue) from None
    if not words:
        return None
    example = joined(words)
    return block[start][0], Sentence(
        example.text, example.words, tuple(tags) if reading.labeled else None, False, split, group
    )


def _is_comment(line: str, columns: Columns) -> bool:
    """Return whether a line before the first word is a comment; `#` can be a word, with the columns of one."""
    return line.startswith("#") and len(columns.split(line)) != columns.width


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"
