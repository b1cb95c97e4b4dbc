"""Open files of each format as parts with named columns and numbered records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from core.data import files
from core.data.files import File
from core.errors import DataError, Problem
from core.issues import RowIssue
from plugins.data.tabular import delimited
from plugins.data.tabular.delimited import Dialect
from plugins.data.tabular.faults import bad
from plugins.data.tabular.part import Part, Record

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def format_of(path: Path, declared: str) -> str:
    """Return the format of a file: the configured one, or its suffix's.

    Raises:
        DataError: The suffix is unknown.
    """
    if declared != "auto":
        return declared
    if path.suffix.lower() in FORMATS:
        return FORMATS[path.suffix.lower()]
    cure = (
        "Set data.format=csv, tsv, jsonl or parquet; or use data=lines for one file per class with one text per line."
    )
    raise DataError(Problem(str(path), f"its suffix {path.suffix!r} is not a known format.", cure))


def open_part(file: File, declared: str, encoding: str, dialect: Dialect) -> Part:
    """Open one file and read its column names.

    Raises:
        DataError: It cannot be read in that format, or is empty.
    """
    form = format_of(file.path, declared)
    try:
        size = file.path.stat().st_size
        if form == "parquet":
            return replace(_parquet(file), size=size)
        encoding, finding = files.resolve_encoding(file.path, encoding)
        found = (finding,) if finding else ()
        if form == "jsonl":
            part = _json_lines(file, encoding)
        else:
            part = _delimited(file, encoding, dialect, "\t" if form == "tsv" else "")
        return replace(part, findings=found, written=f"{encoding} {part.written}", size=size)
    except OSError as error:
        raise DataError(Problem(str(file.path), f"cannot be read: {error.strerror or error}.")) from error


def first(records: Iterator[Record]) -> list[Sequence[Any]]:
    """Return the first usable records as a sample."""
    sample: list[Sequence[Any]] = []
    for number, values in records:
        if not isinstance(values, RowIssue):
            sample.append(values)
        if len(sample) >= delimited.SAMPLE or number > 10 * delimited.SAMPLE:
            break
    return sample


def _delimited(file: File, encoding: str, dialect: Dialect, separator: str) -> Part:
    form = delimited.sniff(file.path, file.name, encoding, dialect, separator)

    def records() -> Iterator[Record]:
        return delimited.read(file.path, encoding, form)

    how = f"{form.separator_name}-separated, {'with' if form.header else 'without'} a header"
    sample = first(records())
    return Part(file.name, form.columns, records, form.header, file.split, sample, how=how, written=repr(form))


def _json_lines(file: File, encoding: str) -> Part:
    def objects() -> Iterator[tuple[int, dict[str, Any] | RowIssue]]:
        for number, line in enumerate(files.lines(file.path, encoding), start=1):
            yield number, _object(line, encoding)

    head = next((line.strip() for line in files.lines(file.path, encoding) if line.strip()), "")
    if head.startswith("["):
        message = "it is one JSON array, not one object per line."
        raise DataError(Problem(str(file.path), message, f"Convert it: jq -c '.[]' {file.path.name} > data.jsonl"))
    names: dict[str, None] = {}
    for number, each in objects():
        if isinstance(each, dict):
            names.update(dict.fromkeys(each))
        if number >= delimited.SAMPLE and names:
            break
    columns = tuple(names)

    def records() -> Iterator[Record]:
        for number, each in objects():
            yield number, each if isinstance(each, RowIssue) else [each.get(name) for name in columns]

    if not columns:
        bad_rows = [
            (number, each) for number, each in objects() if isinstance(each, RowIssue) and each.level == "error"
        ]
        number, fault = bad_rows[0] if bad_rows else (1, bad("broken_json", "the file has no rows"))
        raise DataError(Problem(f"{file.name}:{number}", f"{fault.message}.", fault.cure))
    return Part(file.name, columns, records, split=file.split, sample=first(records()))


def _object(line: str, encoding: str) -> dict[str, Any] | RowIssue:
    value = files.json_value(line, encoding)
    if isinstance(value, dict | RowIssue):
        return value
    return bad("broken_json", "the line is not a JSON object")


def _parquet(file: File) -> Part:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        opened = parquet.ParquetFile(file.path)
    except pyarrow.ArrowInvalid as error:
        raise DataError(Problem(str(file.path), f"it is not a Parquet file: {error}.")) from error
    columns = tuple(opened.schema_arrow.names)

    def records() -> Iterator[Record]:
        batches = parquet.ParquetFile(file.path).iter_batches(batch_size=1024)
        rows = chain.from_iterable(
            zip(*(column.to_pylist() for column in batch.columns), strict=True) for batch in batches
        )
        return enumerate(rows, start=1)

    return Part(file.name, columns, records, split=file.split, sample=first(records()))
