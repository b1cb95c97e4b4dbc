"""Find the files that a path means and the split of each, and hash them."""

from __future__ import annotations

import glob
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.rows import NAMES, TEST, TRAIN, UNDECIDED, VAL
from core.errors import DataError, Problem, nearest

SPLIT_NAMES = {
    "train": TRAIN,
    "training": TRAIN,
    "val": VAL,
    "valid": VAL,
    "validation": VAL,
    "dev": VAL,
    "test": TEST,
    "testing": TEST,
}


@dataclass(frozen=True)
class File:
    """One file of a source.

    Attributes:
        path: Its path.
        name: Its name in messages, as short as unambiguous.
        split: `TRAIN`, `VAL`, `TEST` or `UNDECIDED`.
    """

    path: Path
    name: str
    split: int = UNDECIDED


def find(option: str, given: str, suffixes: Sequence[str] = ()) -> list[Path]:
    """Return the files that a path means: a file, a folder's files with one of `suffixes`, or the matches of a glob.

    Raises:
        DataError: There are none; the error suggests the nearest name.
    """
    path = Path(given).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [each for each in sorted(path.iterdir()) if each.is_file() and not each.name.startswith(".")]
        chosen = [each for each in found if not suffixes or each.suffix.lower() in suffixes]
        if not chosen:
            held = f"It holds {', '.join(each.name for each in found[:5])}." if found else "It holds no file."
            wanted = f" with {', '.join(suffixes)} files" if suffixes else ""
            raise DataError(Problem(option, f"{path} is not a folder{wanted}.", held))
        return chosen
    if glob.has_magic(given):
        matches = [Path(each) for each in sorted(glob.glob(str(path), recursive=True)) if Path(each).is_file()]
        if not matches:
            raise DataError(Problem(option, f"no file matches {given}.", f"The current folder is {Path.cwd()}."))
        return matches
    raise DataError(Problem(option, f"there is no file or folder {given}.", _suggest(path)))


def find_all(path: str, parts: Mapping[str, str], suffixes: Sequence[str] = ()) -> list[File]:
    """Return the files of `data.path`, or those of `data.train`, `data.val` and `data.test`, each with its split.

    Args:
        path: A file, a folder, a glob, or empty.
        parts: The same for each split, by its name.
        suffixes: The suffixes of a folder's files; empty for all files.

    Raises:
        DataError: Some are missing; the error names all of them.
    """
    if path:
        return by_name("data.path", find("data.path", path, suffixes))
    found: list[tuple[Path, int]] = []
    problems: list[Problem] = []
    for split, name in enumerate(NAMES):
        try:
            given = parts.get(name, "")
            found += [(each, split) for each in find(f"data.{name}", given, suffixes)] if given else []
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(*problems)
    return name_files(found)


def source_problems(path: str, train: str, val: str, test: str, what: str = "FILE") -> Iterator[Problem]:
    """Yield a missing or duplicate source: `path`, or `train` with or without the others."""
    if not path and not train:
        yield Problem("data.path", "is not given.", f"data.path={what}, or data.train={what} data.test={what}")
    if path and (train or val or test):
        yield Problem("data.path", "train, val or test is set too.", f"Set data.path, or {what}s for the splits.")


def _suggest(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {folder} either; the current folder is {Path.cwd()}."
    names = sorted(each.name for each in folder.iterdir() if not each.name.startswith("."))
    close = nearest(path.name, names)
    return (
        f"Did you mean {str(folder / close)!r}?"
        if close
        else f"{folder.absolute()} holds: {', '.join(names[:8]) or 'nothing'}."
    )


def split_of(name: str) -> int:
    """Return the split named by a file name or a cell, or `UNDECIDED`."""
    words = [SPLIT_NAMES[word] for word in re.split(r"[^a-z]+", name.lower()) if word in SPLIT_NAMES]
    return words[0] if len(set(words)) == 1 else UNDECIDED


def name_files(paths: Iterable[tuple[Path, int]]) -> list[File]:
    """Return the files with distinct names for messages."""
    pairs = list(paths)
    names = [path.name for path, _ in pairs]
    if len(set(names)) < len(names):
        names = ["/".join(path.parts[-2:]) for path, _ in pairs]
    if len(set(names)) < len(names):
        names = [str(path) for path, _ in pairs]
    return [File(path, name, split) for (path, split), name in zip(pairs, names, strict=True)]


def by_name(option: str, paths: Sequence[Path]) -> list[File]:
    """Return the files of a folder or glob with splits, if all are named after splits and one is `train`.

    Raises:
        DataError: Some files are named after splits and others are not, which is ambiguous.
    """
    splits = [split_of(path.stem) for path in paths]
    if len(paths) == 1 or TRAIN not in splits or set(splits) == {TRAIN}:
        return name_files((path, UNDECIDED) for path in paths)
    others = [path.name for path, split in zip(paths, splits, strict=True) if split == UNDECIDED]
    if others:
        raise DataError(
            Problem(
                option,
                f"some files are named after a split and others are not: {', '.join(others[:5])}.",
                "Name the files with data.train, data.val and data.test, or with a glob.",
            )
        )
    return name_files(zip(paths, splits, strict=True))


def digest(files: Iterable[File]) -> str:
    """Return a hash of the bytes of files and their splits; hexadecimal."""
    total = hashlib.sha256()
    for file in files:
        with file.path.open("rb") as opened:
            total.update(hashlib.file_digest(opened, "sha256").digest() + bytes([file.split + 1]))
    return total.hexdigest()


def refuse_empty(files: Sequence[File]) -> None:
    """Refuse empty files.

    Raises:
        DataError: There are empty files; the error names all of them.
    """
    problems = [
        Problem(str(file.path), "the file is empty.", "Add examples to it, or leave it out.")
        for file in files
        if file.path.stat().st_size == 0
    ]
    if problems:
        raise DataError(*problems)
