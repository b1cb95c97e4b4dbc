"""Write the predictions of `predict`: JSON Lines, CSV, other text formats, and images with the detected objects."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from core.errors import DataError, Problem
from core.files import unwritable
from core.tasks.task_type import TaskType

FORMATS = ("jsonl", "csv")
"""The output formats of all target types; `TargetType.formats` names further ones."""
FIRST = 512
"""Number of examples that determine the columns of a CSV."""


@contextmanager
def open_output(path: Path | None) -> Iterator[IO[str]]:
    """Yield the output file, or standard output if `path` is None.

    Raises:
        RunError: The file cannot be written.
    """
    if path is None:
        yield sys.stdout
        return
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise unwritable(path, error) from error


def write_jsonl(rows: Iterable[dict[str, Any]], out: IO[str]) -> None:
    """Write one line per row, and flush each."""
    for row in rows:
        out.write(json.dumps(row, ensure_ascii=False) + "\n")
        out.flush()


def write_csv(rows: Iterable[dict[str, Any]], out: IO[str], columns: Sequence[str] = ()) -> None:
    """Write a CSV.

    Args:
        rows: Rows as `TargetType.rows` yields them.
        out: The output file.
        columns: The columns, if known in advance; else the columns of the first `FIRST` rows are used.

    Raises:
        DataError: A row has a column that the CSV does not have.
    """
    stream = iter(rows)
    first = [] if columns else list(islice(stream, FIRST))
    columns = columns or list(dict.fromkeys(key for row in first for key in row))
    if not columns:
        return
    writer = csv.DictWriter(out, columns)
    writer.writeheader()
    for row in chain(first, stream):
        if not row.keys() <= set(columns):
            raise DataError(
                Problem("predict", "examples with different fields do not fit into one CSV.", "Use --format jsonl.")
            )
        writer.writerow(row)


def write_text(lines: Iterable[str], out: IO[str]) -> None:
    """Write each line with a newline, and flush it."""
    for line in lines:
        out.write(line + "\n")
        out.flush()


@dataclass
class Pictures:
    """A folder of images with the predictions drawn on them, as PNG files with the names of the images.

    Attributes:
        folder: The folder; it is created if it does not exist.
        task_type: Draws the predictions.
        labels: Label names.
        thresholds: The chosen thresholds of the target type (for detections, one minimum score); None to draw all
            predictions.
    """

    folder: Path
    task_type: TaskType
    labels: Sequence[str]
    thresholds: Sequence[float] | None = None
    _taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if type(self.task_type).drawn is TaskType.drawn:
            message = f"predictions of {self.task_type.name} are not drawn on images."
            raise DataError(Problem("--pictures", message, "Leave it out."))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def write(self, example: Any, prediction: Any) -> None:
        """Draw the prediction for one example.

        Raises:
            DataError: The image is in the output folder, where it could be overwritten.
            RunError: The picture cannot be written.
        """
        source = getattr(example, "image", None)
        if isinstance(source, Path) and source.resolve().parent == self.folder.resolve():
            message = f"{self.folder} contains input images, which could be overwritten."
            raise DataError(Problem("--pictures", message, "Give another folder."))
        picture = self.task_type.drawn(example, prediction, self.labels, self.thresholds)
        assert picture is not None
        path = self.folder / f"{self._name(source)}.png"
        try:
            picture.save(path)
        except OSError as error:
            raise unwritable(path, error) from error

    def _name(self, source: object) -> str:
        """Return a unique name: that of the image, with a number if an earlier image had the same name."""
        stem = source.stem if isinstance(source, Path) else "image"
        numbered = chain([stem], (f"{stem}-{number}" for number in range(2, sys.maxsize)))
        name = next(each for each in numbered if each not in self._taken)
        self._taken.add(name)
        return name
