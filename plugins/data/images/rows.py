"""Rows of images, for splitting and as examples. Each image is inspected once and opened when needed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.contracts import SplitOptions, Splits
from core.data import Row, Source, build_splits
from core.data.files import Picker
from core.errors import DataError, Problem
from core.issues import DataIssue, RowIssue
from core.tasks import ImageExample, Task
from plugins.data.images.inspection_cache import ImageSource, Inspections, inspect_all
from plugins.data.tabular.faults import bad, restore

_PIECE = 128
"""Number of images that are fetched and inspected together."""


class ImageLocation(Protocol):
    """The location of the images of one part of a source."""

    def place(self, row: int, text: str) -> str:
        """Return an image's name in messages, from its row number and the row's text."""
        ...

    def images(self, rows: Sequence[int], texts: Sequence[str]) -> Sequence[Path | bytes]:
        """Return images by row numbers and the rows' texts."""
        ...

    def refuses(self, text: str) -> RowIssue | None:
        """Return why an image may not be opened, or None."""
        ...

    def portable(self, text: str) -> str:
        """Return the row's text in a form that is independent of the source's location."""
        ...


@dataclass
class FileImages:
    """Image files.

    Attributes:
        name: The name in messages of the table or, ending in a slash, of the folder; may be empty for a folder.
        start: The absolute folder that relative paths start from.
        root: The real path of the folder that must contain all images.
        listed: Whether the rows come from a table.
    """

    name: str
    start: Path
    root: str
    listed: bool
    _real: dict[str, str] = field(default_factory=dict)

    def place(self, row: int, text: str) -> str:
        """Return the row of a table, or the path in a folder."""
        return f"{self.name}:{row}" if self.listed else self.name + text

    def images(self, rows: Sequence[int], texts: Sequence[str]) -> Sequence[Path]:
        """Return absolute paths."""
        return [self.start / text for text in texts]

    def refuses(self, text: str) -> RowIssue | None:
        """Return an issue if the path leaves the root, directly or through a symbolic link."""
        path = self.start / text
        real = self._resolve(path)
        if real == self.root or real.startswith(self.root.rstrip(os.sep) + os.sep):
            return None
        leads = f" (a link to {real})" if os.path.normpath(path) != real else ""
        return bad("path_outside", f"the image {text}{leads} lies outside the folder {self.root}")

    def portable(self, text: str) -> str:
        """Return the path relative to the root."""
        return os.path.relpath(self._resolve(self.start / text), self.root)

    def _resolve(self, path: Path) -> str:
        """Return the real path. Each folder is resolved once."""
        if path.name in ("", "..") or path.is_symlink():
            return os.path.realpath(path)
        folder = str(path.parent)
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return os.path.join(self._real[folder], path.name)


class ImageRows:
    """Rows of a table of `row_store.store`, each with an image."""

    def __init__(self, table: pa.Table, locations: Sequence[ImageLocation], multi: bool, source: str) -> None:
        """Inspect all images.

        Args:
            table: The rows; `part` is an index into `locations`.
            locations: The locations of the images.
            multi: Whether the label is a list of names.
            source: Name of the source, for the cache.
        """
        self._table, self._locations, self._multi = table, locations, multi
        self._picker = Picker(table, ("part", "row", "text"))
        self.inspected: Inspections = inspect_all(self._pieces(), table.num_rows, source)

    def __iter__(self) -> Iterator[Row]:
        inspected, number = self.inspected, 0
        for batch in self._table.to_batches(max_chunksize=1024):
            for part, row, text, _, label, split, group, code, message in zip(
                *(column.to_pylist() for column in batch.columns), strict=True
            ):
                fault = restore(code, message) if code is not None else inspected.faults.get(number)
                raw = label if self._multi or label is None or len(label) != 1 else label[0]
                place = self._locations[part].place(row, text or "")
                example = self._example(number, b"", place)  # splitting needs only its digest
                yield Row(example, raw, place, split, group, fault)
                number += 1

    def take(self, rows: NDArray[np.int64]) -> list[ImageExample]:
        """Return examples by row number (int64 [k])."""
        picked = self._picker.pick(rows)
        images: list[Path | bytes] = [b""] * len(rows)
        for part, location in enumerate(self._locations):
            at = [each for each, values in enumerate(picked) if values[0] == part]
            found = location.images([picked[each][1] for each in at], [picked[each][2] for each in at]) if at else ()
            for each, image in zip(at, found, strict=True):
                images[each] = image
        return [
            self._example(int(number), image, self._locations[part].place(row, text))
            for number, image, (part, row, text) in zip(rows, images, picked, strict=True)
        ]

    def digest(self) -> str:
        """Return a hash of the rows and the pixels, independent of the images' location; hexadecimal."""
        total, number = hashlib.sha256(), 0
        for batch in self._table.drop_columns(["pair", "message"]).to_batches(max_chunksize=1024):
            for part, row, text, *rest in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                named = "" if text is None else self._locations[part].portable(text)
                fault = self.inspected.faults.get(number)
                seen = [self.inspected.digest[number].decode(), fault.code if fault else ""]
                total.update(json.dumps([part, row, named, *rest, *seen]).encode())
                number += 1
        return total.hexdigest()

    def findings(self) -> Iterator[DataIssue]:
        """Yield an issue if the images have different sizes."""
        seen = self.inspected.width > 0
        if not seen.any():
            return
        width, height = self.inspected.width[seen], self.inspected.height[seen]
        if width.min() < width.max() or height.min() < height.max():
            message = (
                f"the images have different sizes: {width.min():,} to {width.max():,} pixels wide and "
                f"{height.min():,} to {height.max():,} high."
            )
            yield DataIssue("image_sizes", message, int(seen.sum()), level="info")

    def usable(self) -> list[ImageExample]:
        """Return all examples.

        Raises:
            DataError: An example is unusable.
        """
        problems = [
            Problem(row.place, f"{row.fault.message}.", row.fault.cure)
            for row in self
            if row.fault is not None and row.fault.level == "error"
        ]
        if problems:
            raise DataError(*problems[:5])
        good = [number for number, row in enumerate(self) if row.fault is None or row.fault.level == "note"]
        return self.take(np.asarray(good, dtype=np.int64))

    def _example(self, number: int, image: Path | bytes, place: str) -> ImageExample:
        size = int(self.inspected.width[number]), int(self.inspected.height[number])
        return ImageExample(image, None, size, self.inspected.digest[number].decode(), place)

    def _pieces(self) -> Iterator[list[ImageSource]]:
        for batch in self._table.select(["part", "row", "text", "fault"]).to_batches(max_chunksize=_PIECE):
            rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
            piece: list[ImageSource] = [None] * len(rows)
            for part, location in enumerate(self._locations):
                at = [each for each, row in enumerate(rows) if row[0] == part and row[3] is None]
                refused = {each: location.refuses(rows[each][2]) for each in at}
                kept = [each for each in at if refused[each] is None]
                images = location.images([rows[each][1] for each in kept], [rows[each][2] for each in kept])
                for each in at:
                    piece[each] = refused[each]
                for each, image in zip(kept, images, strict=True):
                    piece[each] = image
            yield piece


def split(
    rows: ImageRows, origin: str, found: Sequence[DataIssue], options: SplitOptions, task: Task, seed: int
) -> Splits:
    """Turn images into splits; see `core.data.build_splits`.

    Args:
        rows: The images.
        origin: Name of the source in messages.
        found: Issues found while opening it.
        options: How to split.
        task: The task.
        seed: Seed of the split.
    """
    take: Callable[[NDArray[np.int64]], Sequence[ImageExample]] = rows.take
    source = Source(rows, take, rows.digest(), origin, (*found, *rows.findings()))
    return build_splits(source, task, seed, options)
