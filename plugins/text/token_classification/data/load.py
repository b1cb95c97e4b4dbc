"""Read files into splits of sentences, or into sentences without tags."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.contracts import SplitOptions, Splits
from core.data import UNDECIDED, DataIssue, RowIssue, Source, build_splits, files
from core.data.files import File
from core.errors import DataError, Problem
from core.tasks import Task
from plugins.text.token_classification.data import token_rows
from plugins.text.token_classification.data.conll import has_tags, open_conll
from plugins.text.token_classification.data.faults import EMPTY
from plugins.text.token_classification.data.json_files import is_list, open_json
from plugins.text.token_classification.data.reading import AUTO, Part, Reading
from plugins.text.token_classification.data.token_rows import TokenRows
from plugins.text.token_classification.example import TokenExample, from_text
from plugins.text.token_classification.tag_set import BEGIN, INSIDE

CONLL, JSON_LINES, JSON, TEXT = "conll", "jsonl", "json", "txt"
_SUFFIXES = {
    ".conll": CONLL,
    ".conllu": CONLL,
    ".iob": CONLL,
    ".iob2": CONLL,
    ".bio": CONLL,
    ".txt": CONLL,
    ".tsv": CONLL,
    ".jsonl": JSON_LINES,
    ".ndjson": JSON_LINES,
    ".json": "",
}
"""Formats by suffix; a JSON file is one list, or has one value per line."""
_SHOWN = 3
"""Number of different forms of files that the description names."""
_OTHERS = (".csv", ".parquet", ".pq", ".arrow", ".xml", ".xlsx", ".zip", ".gz", ".ann", ".spacy")


@dataclass(frozen=True)
class TokenFiles:
    """Paths and the format of files.

    Attributes:
        path, train, val, test: A file, a folder, a glob, or empty.
        format: `auto`, `conll`, `jsonl` or `json`.
        encoding: The encoding, or `auto`.
    """

    path: str = ""
    train: str = ""
    val: str = ""
    test: str = ""
    format: str = AUTO
    encoding: str = AUTO

    def files(self) -> list[File]:
        """Return the files, each with its split.

        Raises:
            DataError: There are none.
        """
        if self.path and files.is_saved(folder := Path(self.path).expanduser()):
            message = f"{folder} was written by save_to_disk."
            raise DataError(Problem("data.path", message, f"data=hub_tags data.path={self.path}"))
        suffixes = tuple(_SUFFIXES) if self.format == AUTO else ()
        found = files.find_all(self.path, {"train": self.train, "val": self.val, "test": self.test}, suffixes)
        described = [each for each in found if each.path.name != "dataset_info.json"]
        return described or found

    def have_text_suffix(self) -> bool:
        """Return whether `.txt` files are among these files, which may have been moved since."""
        if any(Path(each).suffix.lower() == ".txt" for each in (self.path, self.train, self.val, self.test)):
            return True
        try:
            return any(each.path.suffix.lower() == ".txt" for each in self.files())
        except DataError:
            return False


def load_files(given: TokenFiles, reading: Reading, options: SplitOptions, task: Task, seed: int) -> Splits:
    """Read files into splits; see `DataAdapter.load`."""
    found = given.files()
    files.refuse_empty(found)
    parts = _open_all(found, given, reading)
    origin = ", ".join(file.name for file in found[:3]) + (f" and {len(found) - 3} more files" if found[3:] else "")
    return load_parts(parts, reading, options, task, seed, origin, files.digest(found))


def _open_all(found: Sequence[File], given: TokenFiles, reading: Reading) -> list[Part]:
    """Return files as parts.

    Raises:
        DataError: Some cannot be opened; the error names all of them.
    """
    parts: list[Part] = []
    problems: list[Problem] = []
    for file in found:
        try:
            parts.append(open_file(file, given.format, given.encoding, reading))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)
    return parts


def open_file(file: File, declared: str, encoding: str, reading: Reading) -> Part:
    """Open one file as a part.

    Raises:
        DataError: It cannot be read in that format, or is empty.
    """
    try:
        encoding, finding = files.resolve_encoding(file.path, encoding)
        form = declared if declared != AUTO else _format(file.path, encoding)
        if form == CONLL:
            part = open_conll(file, encoding, reading)
        else:
            part = open_json(file, encoding, reading, one_list=form == JSON)
        return replace(part, size=file.path.stat().st_size, findings=(finding,) if finding else ())
    except OSError as error:
        raise DataError(Problem(str(file.path), f"cannot be read: {error.strerror or error}.")) from error


def _format(path: Path, encoding: str) -> str:
    """Return the format of a file, by its suffix, and by its first character if that does not tell."""
    suffix = path.suffix.lower()
    if suffix in _OTHERS:
        cure = "Set data.format=conll, jsonl or json, or convert it; data=hub_tags reads Parquet files."
        raise DataError(Problem(str(path), f"files with the suffix {suffix!r} are not read.", cure))
    if found := _SUFFIXES.get(suffix):
        return found
    head = next((line.strip() for line in files.lines(path, encoding) if line.strip()), "")
    if suffix != ".json" and head[:1] not in ("{", "["):
        return CONLL
    return JSON if is_list(path, encoding) else JSON_LINES


def load_parts(
    parts: Sequence[Part], reading: Reading, options: SplitOptions, task: Task, seed: int, origin: str, digest: str
) -> Splits:
    """Turn parts into splits.

    Args:
        parts: The parts.
        reading: The options for reading sentences.
        options: How to split.
        task: The task.
        seed: Seed of the split.
        origin: Name of the source in messages.
        digest: Hash of the source's bytes; empty if only its content can be hashed.

    Raises:
        DataError: See `DataAdapter.load`.
    """
    reading = replace(reading, entities=any(each.startswith((BEGIN, INSIDE)) for each in task.labels or ()))
    return build_splits(open_source(parts, reading, origin, digest), task, seed, options)


def open_source(parts: Sequence[Part], reading: Reading, origin: str, digest: str) -> Source:
    """Return parts as a source of rows, whose tags are in IOB2.

    Raises:
        DataError: The tags fit no scheme, an option has no effect, or the cache cannot be written.
    """
    key = hashlib.sha256(repr((digest, reading, [(part.name, part.written) for part in parts])).encode())
    table = token_rows.store(parts, key.hexdigest())
    rows = TokenRows(table, [part.name for part in parts], reading)
    if problems := list(_unused(reading, rows)):
        raise DataError(*problems)
    found = [finding for part in parts for finding in part.findings]
    details = [*dict.fromkeys(part.how for part in parts)][:_SHOWN]
    if rows.tagged:
        details.append(f"scheme {rows.scheme.name}")
        if reading.scheme == AUTO:
            found.append(_scheme_found(rows))
    return Source(
        rows=rows,
        take=rows.take,
        digest=digest or files.content_digest(table),
        origin=f"{origin} ({'; '.join(filter(None, details))})",
        findings=tuple(found),
    )


def _unused(reading: Reading, rows: TokenRows) -> Iterator[Problem]:
    """Yield the options that have no effect on the data."""
    usual = Reading()
    tags, spans = ("scheme", "tag_names"), ("offsets", "expand")
    for names, message in (
        (() if rows.tagged or not rows.from_spans else tags, "has no effect: the data has spans, not tags."),
        (() if rows.from_spans or not rows.tagged else spans, "has no effect: the data has tags, not spans."),
    ):
        for name in names:
            if getattr(reading, name) != getattr(usual, name):
                yield Problem(f"data.{'align' if name == 'expand' else name}", message, "Leave it out.")


def _scheme_found(rows: TokenRows) -> DataIssue:
    style = f", written with {rows.scheme.style}," if rows.scheme.style else ""
    message = f"the tags{style} follow the scheme {rows.scheme.name} (detected; data.scheme changes it)."
    return DataIssue("tag_scheme", message, rows.tagged, (), "info")


def unlabelled(given: TokenFiles, reading: Reading, path: Path, task: Task) -> list[TokenExample]:
    """Return the sentences of one file without tags, also those without words, so that none is left out silently.

    A `.txt` file holds one text per line; its blank lines are no texts.

    Args:
        given: The files of the run, and their format.
        reading: The options for reading sentences.
        path: The file.
        task: The task; a `.txt` file with its tags in a column is refused.

    Raises:
        DataError: The file is missing or malformed, has an unusable row, or is a `.txt` file that may be CoNLL.
    """
    (found,) = files.name_files([(each, UNDECIDED) for each in files.find("the file", str(path))][:1])
    files.refuse_empty([found])
    if found.path.suffix.lower() == ".txt" and given.format == AUTO:
        _refuse_columns(found, given, reading, task.labels or ())
        return _lines(found, given.encoding)
    part = open_file(found, given.format, given.encoding, replace(reading, labeled=False, split="", group=""))
    problems, examples = [], []
    for row, each in part.records():
        place = f"{part.name}:{row}"
        if not isinstance(each, RowIssue):
            examples.append(TokenExample(each.text, each.words, None, place))
        elif each.code == EMPTY:
            examples.append(TokenExample("", (), None, place))
        elif each.level == "error":
            problems.append(Problem(place, f"{each.message}.", each.cure))
    if problems:
        raise DataError(*problems[:5])
    return examples


def _refuse_columns(file: File, given: TokenFiles, reading: Reading, tags: Sequence[str]) -> None:
    """Refuse a `.txt` file that is CoNLL by its content, or by the suffix of the run's own files."""
    encoding, _ = files.resolve_encoding(file.path, given.encoding)
    if has_tags(file, encoding, reading, {*tags}):
        message = "its lines look like a word and its tag (CoNLL), but .txt files are read as one text per line."
    elif given.have_text_suffix():
        message = "it can be CoNLL, as the run's own .txt files, or have one text per line."
    else:
        return
    words = f"Rename it to {file.path.with_suffix('.conll').name} if it has one word per line"
    cure = f"{words}; if it has one text per line, pass it on standard input: python -m core predict RUN < {file.path}"
    raise DataError(Problem(str(file.path), message, cure))


def _lines(file: File, encoding: str) -> list[TokenExample]:
    """Return the lines of a file as examples. Blank lines are skipped."""
    encoding, _ = files.resolve_encoding(file.path, encoding)
    examples = []
    for number, line in enumerate(files.lines(file.path, encoding), start=1):
        place, text = f"{file.name}:{number}", line.rstrip("\r\n")
        if byte := files.undecodable(text):
            issue = files.undecodable_bytes(byte, encoding)
            raise DataError(Problem(place, f"{issue.message}.", issue.cure))
        if text.strip():
            examples.append(from_text(text, place))
    return examples
