"""Read a JSON file of COCO instances and check it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import DataError, Problem
from core.issues import RowIssue
from plugins.data.boxes.faults import image_fault


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One entry of `images`.

    Attributes:
        file: Its `file_name`.
        place: `images[3]`.
        size: Stated width and height; (0, 0) for none.
        fault: Why it cannot be used, or None.
    """

    file: str
    place: str
    size: tuple[int, int] = (0, 0)
    fault: RowIssue | None = None


@dataclass(frozen=True)
class Instances:
    """The contents of a file.

    Attributes:
        name: Its name in messages.
        base: The folder that contains it.
        images: Images by id; those without a usable id by (None, position).
        categories: Names by number.
        annotations: Unchecked annotations.
    """

    name: str
    base: Path
    images: Mapping[Any, ImageEntry]
    categories: Mapping[int, str]
    annotations: Sequence[Any]


def read(path: Path, name: str) -> Instances:
    """Read and check a file.

    Args:
        path: The file.
        name: Its name in messages.

    Raises:
        DataError: It is empty, is not JSON, or contains no instances; the error names the place in it.
    """
    content = _parse(path)
    wanted = ("images", "annotations", "categories")
    lacking = [key for key in wanted if not isinstance(content, dict) or not isinstance(content.get(key), list)]
    if lacking:
        cure = "It needs `images`, `annotations` and `categories`, as COCO's instances have."
        raise DataError(Problem(str(path), f"it has no list {', '.join(lacking)}.", cure))
    categories = dict(_categories(path, content["categories"]))
    return Instances(name, path.parent, dict(_images(content["images"])), categories, content["annotations"])


def _parse(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if not text.strip():
            raise DataError(Problem(str(path), "the file is empty.", "Export the annotations again."))
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}"
        raise DataError(Problem(where, f"is not valid JSON: {error.msg}.", "Export the annotations again.")) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(Problem(str(path), f"cannot be read as JSON: {error}.")) from error


def _categories(path: Path, entries: Sequence[Any]) -> Iterator[tuple[int, str]]:
    seen = set()
    for at, each in enumerate(entries):
        number, name = (each.get("id"), each.get("name")) if isinstance(each, dict) else (None, None)
        if not isinstance(number, int) or not isinstance(name, str) or not name.strip():
            where = f"{path}:categories[{at}]"
            raise DataError(Problem(where, "a category needs a number (id) and a name.", "Correct it."))
        if number in seen:
            raise DataError(Problem(f"{path}:categories[{at}]", f"the id {number} occurs twice.", "Correct it."))
        seen.add(number)
        yield number, name.strip()


def _images(entries: Sequence[Any]) -> Iterator[tuple[Any, ImageEntry]]:
    seen: set[Any] = set()
    for at, each in enumerate(entries):
        place = f"images[{at}]"
        number, file = (each.get("id"), each.get("file_name")) if isinstance(each, dict) else (None, None)
        if not isinstance(number, int | str) or not isinstance(file, str) or not file.strip() or "\0" in file:
            fault = image_fault("broken_annotation", "an image needs an id and a file_name")
            yield (None, at), ImageEntry("", place, fault=fault)
        elif number in seen:
            fault = image_fault("broken_annotation", f"the image id {number!r} occurs twice")
            yield (None, at), ImageEntry(file, place, fault=fault)
        else:
            seen.add(number)
            yield number, ImageEntry(file, place, _size(each))


def _size(entry: Mapping[str, Any]) -> tuple[int, int]:
    width, height = entry.get("width"), entry.get("height")
    if isinstance(width, int | float) and isinstance(height, int | float) and 0 < width < 1e9 and 0 < height < 1e9:
        return int(width), int(height)
    return 0, 0
