"""Open JSON Lines, and JSON files that are one list, as parts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from core.data import RowIssue, files
from core.data.files import File
from core.errors import DataError, Problem
from plugins.text.token_classification.data.json_forms import SAMPLE, ObjectReader, Value
from plugins.text.token_classification.data.reading import Part, Reading, Record


def is_list(path: Path, encoding: str) -> bool:
    """Return whether a JSON file is one list; otherwise each line is a value."""
    head = [line.strip() for line in islice((line for line in files.lines(path, encoding) if line.strip()), 2)]
    if not head or not head[0].startswith("["):
        return False
    try:
        first = json.loads(head[0])
    except (ValueError, RecursionError):
        return True  # the list continues on the next line, or cannot be read
    return len(head) == 1 and not (len(first) == 2 and isinstance(first[0], str))


def open_json(file: File, encoding: str, reading: Reading, one_list: bool) -> Part:
    """Return a file as a part.

    Args:
        file: The file.
        encoding: Its encoding.
        reading: The options.
        one_list: Whether the file is one list; its rows are the elements, counted from 1.

    Raises:
        DataError: It is not JSON, or it cannot be told which fields hold the sentences.
    """
    elements = _elements(file, encoding) if one_list else None

    def values() -> Iterator[Value]:
        if elements is not None:
            return enumerate(elements, start=1)
        lines = enumerate(files.lines(file.path, encoding), start=1)
        return ((number, files.json_value(line, encoding)) for number, line in lines)

    head = list(islice(values(), 10 * SAMPLE))
    if all(isinstance(value, RowIssue) for _, value in head):
        bad = [(number, issue) for number, issue in head if issue.level == "error"]
        if not bad:
            raise DataError(Problem(str(file.path), "the file has no rows.", "Use a file with examples."))
        raise DataError(Problem(f"{file.name}:{bad[0][0]}", f"{bad[0][1].message}.", bad[0][1].cure))
    reader = ObjectReader(file.name, head, reading, _tag_names(file.path.parent))

    def records() -> Iterator[Record]:
        return reader.records(values(), file.split)

    how = ", ".join(filter(None, (reader.tool, reader.fields.describe())))
    return Part(file.name, records, how, f"{encoding} {reader.fields} {reader.tool} {reader.tag_names}")


def _elements(file: File, encoding: str) -> list[Any]:
    """Return the elements of a list, or their issues."""
    text = "".join(files.lines(file.path, encoding))
    marked = bool(files.undecodable(text))
    try:
        listed = json.loads(text)
    except json.JSONDecodeError as error:
        message = f"the file is not JSON: {error.msg} at column {error.colno}."
        raise DataError(Problem(f"{file.name}:{error.lineno}", message, "Save or export it again.")) from error
    except RecursionError as error:
        message = "the file has too many lists or objects within each other."
        raise DataError(Problem(str(file.path), message, "Save or export it again.")) from error
    except ValueError as error:  # Python limits the digits of whole numbers
        raise DataError(Problem(str(file.path), f"the file cannot be read: {error}.", "Correct the number.")) from error
    if not isinstance(listed, list):
        message = f"the file is one JSON value of type {type(listed).__name__}, not a list."
        raise DataError(Problem(str(file.path), message, "Give a list of objects, or one object per line."))
    if not marked and "\\u" not in text:
        return listed
    # written as a line, in which undecodable bytes stay marked, an element gets the issue of a line
    return [
        each if _is_sound(each) else files.json_value(json.dumps(each, ensure_ascii=not marked), encoding)
        for each in listed
    ]


def _is_sound(value: Any) -> bool:
    """Return whether all characters of a value could be decoded and are whole."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _tag_names(folder: Path) -> dict[str, list[str]]:
    """Return the names of tags by field, from the description of a dataset that `datasets` writes beside its files."""
    path = folder / "dataset_info.json"
    if not path.is_file():
        return {}
    try:
        features = json.loads(path.read_text(encoding="utf-8")).get("features") or {}
    except (ValueError, AttributeError, RecursionError):
        return {}
    return {key: found for key, feature in features.items() if (found := _class_names(feature))}


def _class_names(feature: Any) -> list[str] | None:
    if not isinstance(feature, Mapping):
        return None
    if feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list):
        return [str(name) for name in feature["names"]]
    return _class_names(feature.get("feature"))
