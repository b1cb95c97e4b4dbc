"""Read images from class folders and from tables of image paths into splits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from core.contracts import SplitOptions, Splits
from core.data import NAMES, UNDECIDED, files
from core.data.files import File
from core.errors import DataError, Problem
from core.images import image_files
from core.tasks import MULTI, SINGLE, ImageExample, Task
from plugins.data.images import class_folders
from plugins.data.images import rows as images_rows
from plugins.data.images.class_folders import ClassFolders, SkippedFiles
from plugins.data.images.rows import FileImages, ImageRows
from plugins.data.tabular import row_store
from plugins.data.tabular.columns import IMAGE, Columns, choose
from plugins.data.tabular.delimited import Dialect
from plugins.data.tabular.formats import FORMATS
from plugins.data.tabular.part import Part
from plugins.data.tabular.row_store import Stored
from plugins.data.tabular.rows import LabelNames, Reading, stored
from plugins.data.tabular.table import TextFiles, open_parts


@dataclass(frozen=True)
class Sources:
    """Paths of images and labels.

    Attributes:
        path, train, val, test: A folder of class folders, a table, or empty.
        root: The folder that images must lie in and that relative paths in tables start from, or empty.
    """

    path: str = ""
    train: str = ""
    val: str = ""
    test: str = ""
    root: str = ""

    def given(self) -> dict[str, str]:
        """Return the configured sources by option name."""
        names = ("path",) if self.path else NAMES
        return {name: getattr(self, name) for name in names if getattr(self, name)}


@dataclass
class _Opened:
    """Opened sources: folders and tables, each with the index of its images' location."""

    folders: list[tuple[int, ClassFolders]] = field(default_factory=list)
    parts: list[tuple[int, Part]] = field(default_factory=list)
    locations: list[FileImages] = field(default_factory=list)


def load_images(sources: Sources, reading: Reading, options: SplitOptions, task: Task, seed: int) -> Splits:
    """Read images into splits; see `DataAdapter.load`."""
    found = _find(sources, reading.columns)
    columns, skipped, names = reading.columns, SkippedFiles(), LabelNames(reading.label_names)
    if found.parts:
        columns = choose(found.parts[0][1], columns, reading.layout, content=IMAGE)
    rows = _rows(found, columns, reading, names, skipped)
    held = row_store.store(names.all_used(rows), 0, "")
    images = ImageRows(held, found.locations, reading.layout == MULTI, _where(found))
    findings = [finding for _, part in found.parts for finding in part.findings]
    return images_rows.split(images, _origin(found, columns), [*findings, *skipped.findings()], options, task, seed)


def _rows(
    found: _Opened, columns: Columns, reading: Reading, names: LabelNames, skipped: SkippedFiles
) -> Iterator[Stored]:
    in_folders = (class_folders.rows(number, each, reading, names, skipped) for number, each in found.folders)
    return chain(chain.from_iterable(in_folders), stored(found.parts, columns, reading, names))


def _where(found: _Opened) -> str:
    """Return the key of the images in the cache."""
    return repr([(location.name, str(location.start)) for location in found.locations])


def _origin(found: _Opened, columns: Columns) -> str:
    folders = [str(each.path.name) for _, each in found.folders]
    tables = [f"{part.name} ({columns.describe()})" for _, part in found.parts]
    names = [*folders, *tables]
    more = f" and {len(names) - 3} more" if names[3:] else ""
    return ", ".join(names[:3]) + more + (" (one folder per class)" if folders else "")


def _find(sources: Sources, columns: Columns) -> _Opened:
    found, problems, given = _Opened(), list[Problem](), sources.given()
    root = Path(sources.root).expanduser().absolute() if sources.root else None
    if root is not None and not root.is_dir():
        problems.append(Problem("data.root", f"there is no folder {root}.", "Set a folder that contains the images."))
    folders = {name: Path(each).expanduser().absolute() for name, each in given.items()}
    folders = {name: each for name, each in folders.items() if each.is_dir()}
    called = {name: each.name for name, each in zip(folders, _name(folders), strict=True)}
    for name, each in given.items():
        split = UNDECIDED if name == "path" else NAMES.index(name)
        try:
            if name in folders:
                within = class_folders.find(f"data.{name}", folders[name], split)
                found.folders += [(len(found.locations), each) for each in within]
                prefix = "" if name == "path" else f"{called[name]}/"
                found.locations.append(_location(prefix, folders[name], root, listed=False))
            else:
                _add_tables(found, TextFiles(**{name: each}, dialect=_dialect(columns)), root)
        except DataError as error:
            problems += error.problems
    if found.folders and not found.parts:
        problems += _meaningless(columns)
    if problems:
        raise DataError(*problems)
    return found


def _name(folders: dict[str, Path]) -> list[File]:
    return files.name_files((each, UNDECIDED) for each in folders.values())


def _add_tables(found: _Opened, given: TextFiles, root: Path | None) -> None:
    named = given.files()
    for file, part in zip(named, open_parts(given, named), strict=True):
        found.parts.append((len(found.locations), part))
        found.locations.append(_location(file.name, file.path.absolute().parent, root, listed=True))


def _location(name: str, folder: Path, root: Path | None, listed: bool) -> FileImages:
    start = root if root is not None and listed else folder
    return FileImages(name, start, os.path.realpath(root or folder), listed)


def _dialect(columns: Columns) -> Dialect:
    return Dialect(names=tuple(name for _, name in columns.named() if not name.isdecimal()))


def _meaningless(columns: Columns) -> Iterator[Problem]:
    for option, _ in dict(columns.named()).items():
        yield Problem(f"data.{option}", "does not apply to a folder of class folders.", "Leave it out.")


def unlabeled(columns: Columns, root: str, path: Path) -> list[ImageExample]:
    """Return images without labels from a file, a folder, a glob or a table.

    Raises:
        DataError: There are no images, or one in a table is unusable.
    """
    if path.suffix.lower() not in FORMATS or not path.expanduser().is_file():
        return [ImageExample(each.absolute(), place=str(each)) for each in image_files(str(path))]
    found = _Opened()
    wanted = Columns(image=columns.image)
    folder = Path(root).expanduser().absolute() if root else None
    _add_tables(found, TextFiles(path=str(path), dialect=_dialect(wanted)), folder)
    chosen = choose(found.parts[0][1], wanted, SINGLE, labeled=False, content=IMAGE)
    reading = Reading(chosen, SINGLE, content=IMAGE)
    held = row_store.store(stored(found.parts, chosen, reading, LabelNames({})), 0, "")
    return ImageRows(held, found.locations, False, _where(found)).usable()
