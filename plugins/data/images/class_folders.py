"""Read class folders as rows: all images below a folder, at any depth, have its name as their label."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.data import SHOWN, TRAIN, UNDECIDED
from core.data.files import SPLIT_NAMES
from core.errors import DataError, Problem
from core.images import SUFFIXES
from core.issues import DataIssue
from plugins.data.tabular.formats import FORMATS
from plugins.data.tabular.row_store import Stored
from plugins.data.tabular.rows import LabelNames, Reading, labels


@dataclass(frozen=True)
class ClassFolders:
    """Class folders of one split, or of data without splits.

    Attributes:
        path: The absolute folder that contains them.
        option: The option that named it.
        within: Its path from the folder that image names start from: ``train/``, or empty.
        split: `TRAIN`, `VAL`, `TEST` or `UNDECIDED`.
    """

    path: Path
    option: str
    within: str = ""
    split: int = UNDECIDED


@dataclass
class SkippedFiles:
    """Counts of files that did not become rows.

    Attributes:
        others: Files without an image's suffix.
        repeated: Symbolic links to folders that are read already.
    """

    others: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, place: str) -> None:
        """Count one file. `what` is `others` or `repeated`."""
        self.counts[what] = self.counts.get(what, 0) + 1
        shown: list[str] = getattr(self, what)
        if len(shown) < SHOWN:
            shown.append(place)

    def findings(self) -> Iterator[DataIssue]:
        """Yield an issue for each group of files that was counted."""
        if count := self.counts.get("others", 0):
            message = f"{count:,} files were left out: they have no image suffix ({', '.join(SUFFIXES)})."
            yield DataIssue("not_images", message, count, tuple(self.others), "info")
        if count := self.counts.get("repeated", 0):
            message = f"{count:,} symbolic links to folders were not followed: those folders are read already."
            yield DataIssue("repeated_folders", message, count, tuple(self.repeated), "info")


def find(option: str, folder: Path, split: int = UNDECIDED) -> list[ClassFolders]:
    """Return the class folders in a folder. Subfolders train, val and test are splits that contain class folders.

    Raises:
        DataError: There are none, or it is ambiguous which folders are splits and which are classes.
    """
    names = [each.name for each in _folders(option, folder)]
    splits = [name for name in names if name.lower() in SPLIT_NAMES]
    if split == UNDECIDED and TRAIN in {SPLIT_NAMES[name.lower()] for name in splits}:
        others = [name for name in names if name not in splits]
        if not others:
            if stray := sorted(each.name for each in os.scandir(folder) if _is_image(each.name)):
                message = f"images lie beside the folders of the splits: {', '.join(stray[:5])}."
                raise DataError(Problem(option, message, "Move them into the folders of their split and class."))
            return [ClassFolders(folder / each, option, f"{each}/", SPLIT_NAMES[each.lower()]) for each in splits]
        if any(_folders(option, folder / each) for each in splits):  # otherwise "train" may be a class
            message = f"some folders are named after a split and others are not: {', '.join(others[:5])}."
            cure = "Set data.train, data.val and data.test, or move the other folders away."
            raise DataError(Problem(option, message, cure))
    return [ClassFolders(folder, option, "", split)]


def rows(
    number: int, folders: ClassFolders, reading: Reading, names: LabelNames, skipped: SkippedFiles
) -> Iterator[Stored]:
    """Yield the images of all classes as rows of part `number`. Their content is a path relative to the base folder.

    Raises:
        DataError: There are no class folders.
    """
    classes = _folders(folders.option, folders.path)
    if not classes:
        raise DataError(_no_classes(folders))
    tops = {os.path.realpath(each) for each in (folders.path, *classes)}
    if folders.within:
        tops |= {os.path.realpath(each) for each in _folders(folders.option, folders.path.parent)}
        tops.add(os.path.realpath(folders.path.parent))
    for each in sorted(os.scandir(folders.path), key=lambda entry: entry.name):
        if _is_image(each.name) and not _is_folder(each):
            message = "the image is not in a class folder"
            yield _faulty(number, folders.within + each.name, folders.split, "no_class_folder", message)
    for folder in classes:
        label = names.rename(labels(folder.name, reading) or [])
        count = 0
        for path, code, message in _walk(folder, folders.within + folder.name, tops, skipped):
            count += 1
            if code:
                yield _faulty(number, path, folders.split, code, message)
            else:
                yield number, 0, path, None, label, folders.split, None, None, None
        if not count:
            message = "the class folder contains no images"
            yield _faulty(number, f"{folders.within}{folder.name}/", folders.split, "empty_class_folder", message)


def _faulty(number: int, path: str, split: int, code: str, message: str) -> Stored:
    shown = os.fsencode(path).decode("utf-8", "replace")
    return number, 0, shown, None, None, split, None, code, message


def _walk(top: Path, name: str, tops: set[str], skipped: SkippedFiles) -> Iterator[tuple[str, str, str]]:
    """Yield images at any depth: the path as text, and the code and message of an issue, or empty strings.

    A folder behind symbolic links is read once, and not at all if it is one of `tops`.
    """
    seen, waiting = set(tops), [(str(top), name)]
    while waiting:
        folder, name = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield f"{name}/", "unreadable_folder", f"the folder cannot be read ({error.strerror or error})"
            continue
        within = [entry for entry in entries if not _is_hidden(entry.name) and _is_folder(entry)]
        names, deeper = {entry.name for entry in within}, []
        for entry in sorted(
            within, key=os.DirEntry.is_symlink
        ):  # real folders before links, so that they keep their names
            real, place = os.path.realpath(entry.path), f"{name}/{entry.name}"
            if real in seen:
                skipped.add("repeated", place)
            else:
                seen.add(real)
                deeper.append((entry.path, place))
        for entry in entries:
            place = f"{name}/{entry.name}"
            if _is_hidden(entry.name) or entry.name in names:
                continue
            if not _is_image(entry.name):
                skipped.add("others", place)
            elif not _is_utf8(place):
                yield place, "undecodable_name", "the file's name is not valid UTF-8"
            else:
                yield place, "", ""
        waiting += reversed(deeper)


def _folders(option: str, folder: Path) -> list[Path]:
    """Return the subfolders of a folder by name."""
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / each.name for each in entries if _is_folder(each) and not _is_hidden(each.name))
    except OSError as error:
        raise DataError(Problem(option, f"{folder} cannot be read: {error.strerror or error}.")) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a symbolic link to itself
        return False


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_image(name: str) -> bool:
    return not _is_hidden(name) and os.path.splitext(name)[1].lower() in SUFFIXES


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_classes(folders: ClassFolders) -> Problem:
    held = sorted(each for each in os.listdir(folders.path) if not _is_hidden(each))
    tables = [each for each in held if os.path.splitext(each)[1].lower() in FORMATS]
    cure = "Put the images of each class into a separate folder, named after the class."
    if tables:
        cure = f"{folders.option}={folders.path / tables[0]} reads a table of images and labels. Or: {cure}"
    elif not held:
        cure = f"The folder is empty. {cure}"
    return Problem(folders.option, f"{folders.path} contains no class folders.", cure)
