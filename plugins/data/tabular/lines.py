"""Read text files with one text per line; each file is one class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.contracts import SplitOptions, Splits
from core.data import UNDECIDED, files
from core.data.files import File
from core.errors import DataError, Problem
from core.tasks import Task
from plugins.data.tabular.columns import Columns
from plugins.data.tabular.plain_text import open_lines
from plugins.data.tabular.rows import Reading
from plugins.data.tabular.table import load_parts
from plugins.data.target_layout import layout_of


def load_lines(
    path: str, encoding: str, names: Mapping[str, str], options: SplitOptions, task: Task, seed: int
) -> Splits:
    """Read files of lines into splits; see `DataAdapter.load`."""
    found = _files(path)
    files.refuse_empty(found)
    labels = _labels([file.path for file in found])
    parts = [open_lines(file, label, encoding) for file, label in zip(found, labels, strict=True)]
    origin = ", ".join(f"{file.name} ({label})" for file, label in list(zip(found, labels, strict=True))[:6])
    reading = Reading(Columns(text="text", label="label"), layout_of(task), label_names=names)
    return load_parts(parts, reading, options, task, seed, origin, files.digest(found))


def _files(path: str) -> list[File]:
    """Return the files of a folder or glob. Subfolders named after splits become those splits."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        within = [(each, files.split_of(each.name)) for each in sorted(folder.iterdir()) if each.is_dir()]
        splits = [(each, split) for each, split in within if split != UNDECIDED]
        if splits:
            return files.name_files(
                (file, split) for each, split in splits for file in files.find("data.path", str(each))
            )
    found = files.find("data.path", path)
    if len(found) < 2:
        message = f"{path} is one file, but every file is one class."
        raise DataError(
            Problem("data.path", message, "Give a folder or a glob; for one file with labels use data=table.")
        )
    return files.name_files((each, UNDECIDED) for each in found)


def _labels(paths: list[Path]) -> list[str]:
    """Return the label of each file: its name without suffix, or the suffix if only that differs (`reviews.pos`)."""
    stems = {path.stem for path in paths}
    if len(stems) == 1 and len({path.suffix for path in paths}) > 1:
        return [path.suffix.removeprefix(".") for path in paths]
    return [path.stem for path in paths]
