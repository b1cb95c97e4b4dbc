"""How `predict` writes: JSON Lines, CSV, and images with what was found drawn on them."""

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

FIRST = 512
"""The columns of a CSV are those of so many examples."""


@contextmanager
def opened(path: Path | None) -> Iterator[IO[str]]:
    """A file to write to; standard output where there is no path.

    Raises:
        RunError: It cannot be written.
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
    """A line for each example, as it comes."""
    for row in rows:
        out.write(json.dumps(row, ensure_ascii=False) + "\n")
        out.flush()


def write_csv(rows: Iterable[dict[str, Any]], out: IO[str], columns: Sequence[str] = ()) -> None:
    """Write a CSV.

    Args:
        rows: As `TargetType.rows` yields them.
        out: Where to.
        columns: The columns where they are known beforehand; else those of the first `FIRST` examples.

    Raises:
        DataError: An example has other columns than the first ones.
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
            raise DataError(Problem("predict", "examples of several forms do not fit one CSV.", "Use --format jsonl."))
        writer.writerow(row)


@dataclass
class Pictures:
    """A folder of images with what was found drawn on them, each a PNG file with the name of its image.

    Attributes:
        folder: It is made if need be.
        task_type: Draws.
        labels: Label names.
        thresholds: From which on something counts as found; None for all of it.
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
        """Draw one example.

        Raises:
            DataError: It lies in this very folder, where it could be written over.
            RunError: The picture cannot be written.
        """
        source = getattr(example, "image", None)
        if isinstance(source, Path) and source.resolve().parent == self.folder.resolve():
            message = f"{self.folder} holds images that are to be read; they could be written over."
            raise DataError(Problem("--pictures", message, "Give another folder."))
        picture = self.task_type.drawn(example, prediction, self.labels, self.thresholds)
        assert picture is not None
        path = self.folder / f"{self._name(source)}.png"
        try:
            picture.save(path)
        except OSError as error:
            raise unwritable(path, error) from error

    def _name(self, source: object) -> str:
        """The name of its image; with a number where another image of that name came before."""
        stem = source.stem if isinstance(source, Path) else "image"
        numbered = chain([stem], (f"{stem}-{number}" for number in range(2, sys.maxsize)))
        name = next(each for each in numbered if each not in self._taken)
        self._taken.add(name)
        return name
