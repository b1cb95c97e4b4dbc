"""Read a data.yaml as Ultralytics defines it: the paths of the splits, and the label names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data import TEST, TRAIN, VAL
from core.errors import DataError, Problem
from core.issues import DataIssue
from plugins.data.boxes import files as boxes_files

_KEYS = {"train": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST}
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class YoloConfig:
    """A dataset.

    Attributes:
        base: The folder that its paths start from.
        names: Label names by number.
        parts: Pairs of a split and a folder of images, or a text file that lists images.
        findings: Issues of the file.
    """

    base: Path
    names: Mapping[int, str]
    parts: tuple[tuple[int, Path], ...]
    findings: tuple[DataIssue, ...] = ()


def find(path: Path) -> Path | None:
    """Return the data.yaml of a folder: the file of that name, or the only one with its suffix; None if there is none.

    Raises:
        DataError: There are several.
    """
    files = boxes_files.listed(path, _SUFFIXES)
    chosen = [each for each in files if each.stem == "data"] or files
    if len(chosen) > 1:
        names = ", ".join(each.name for each in chosen)
        raise DataError(Problem("data.path", f"{path} contains several YAML files: {names}.", "Pass one of them."))
    return chosen[0] if chosen else None


def read(path: Path) -> YoloConfig:
    """Read a data.yaml. Its `download` entry is never run.

    Raises:
        DataError: It is not YAML, lacks the names or the training split, or names a path that does not exist.
    """
    content = _parse(path)
    reader = _Reader(path, content, _base(path, content.get("path")))
    names = reader.names()
    parts = tuple(reader.parts())
    if reader.problems:
        raise DataError(*reader.problems)
    return YoloConfig(reader.base, names, parts, tuple(reader.findings))


def _parse(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig", errors="replace"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        reason = getattr(error, "problem", None) or "it cannot be parsed"
        raise DataError(Problem(where, f"is not valid YAML: {reason}.", "Correct it.")) from error
    except (OSError, RecursionError, ValueError) as error:
        raise DataError(Problem(str(path), f"cannot be read: {error}.")) from error
    if not isinstance(content, dict):
        cure = "It needs train, val and names, as in Ultralytics' data sets."
        raise DataError(Problem(str(path), "does not describe a data set.", cure))
    return content


def _base(path: Path, stated: object) -> Path:
    """Return the base folder of paths: `path` as given or relative to the file; without `path`, the file's folder."""
    here = path.absolute().parent
    if isinstance(stated, str) and stated.strip():
        for candidate in (here / Path(stated).expanduser(), here.parent / stated):
            if candidate.is_dir():
                return candidate
    return here


@dataclass
class _Reader:
    path: Path
    content: Mapping[str, Any]
    base: Path
    problems: list[Problem] = field(default_factory=list)
    findings: list[DataIssue] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.content.get("download"):
            message = f"{self.path.name} has a key `download`, which Graft never runs or fetches."
            self.findings.append(DataIssue("download_ignored", message, 1, (self.path.name,), "info"))

    def names(self) -> dict[int, str]:
        """Return label names by number."""
        names, count = self.content.get("names"), self.content.get("nc")
        if names is None and isinstance(count, int) and count > 0:
            return {number: f"class_{number}" for number in range(count)}
        pairs: list[tuple[Any, Any]] = []
        if isinstance(names, list | dict):
            pairs = list(enumerate(names)) if isinstance(names, list) else list(names.items())
        if not pairs:
            self._wrong("has no names.", "names: [cat, dog]")
            return {}
        found: dict[int, str] = {}
        for number, name in sorted(pairs, key=lambda pair: str(pair[0]).zfill(12)):
            if not str(number).isdecimal() or not isinstance(name, str | int | float) or not str(name).strip():
                self._wrong(f"has a name that cannot be used: {number!r}: {name!r}.", "names: {0: cat, 1: dog}")
                return {}
            found[int(number)] = str(name).strip()
        repeated = sorted({name for name in found.values() if list(found.values()).count(name) > 1})
        if repeated:
            self._wrong(
                f"has several classes with the same name: {', '.join(repeated)}.", "Give each a different name."
            )
        if isinstance(count, int) and count != len(found):
            self._wrong(f"has nc: {count}, but {len(found)} names.", "Correct one of them.")
        return found

    def parts(self) -> Iterator[tuple[int, Path]]:
        """Yield folders and lists of images, with their splits."""
        for key, split in _KEYS.items():
            entries = self.content.get(key)
            for entry in entries if isinstance(entries, list) else [entries]:
                if isinstance(entry, str) and entry.strip():
                    found = self._resolve(entry.strip())
                    if found is not None:
                        yield split, found
                    else:
                        self._missing(key, entry)
                elif entry is not None and entry != "":
                    self._wrong(f"{key}: {entry!r} is not a path.", f"{key}: images/{key}")
        if not self.content.get("train"):
            self._wrong("has no train.", "train: images/train")

    def _resolve(self, entry: str) -> Path | None:
        """Return an entry's path from the base. As in Ultralytics, a leading `../` is dropped if it leads nowhere."""
        for each in (entry, entry.removeprefix("../"), entry.removeprefix("./")):
            for start in (self.base, self.path.absolute().parent):
                path = start / Path(each).expanduser()
                if path.is_dir() or path.is_file():
                    return path
        return None

    def _missing(self, key: str, entry: str) -> None:
        if key == "test":
            message = f"{self.path.name} names {entry} as its test split, which does not exist."
            self.findings.append(DataIssue("no_test_split", message, 1, (self.path.name,)))
            return
        cure = f"Its paths start from {self.base}. Correct it, or `path`."
        if self.content.get("download"):
            cure += " It has a key `download`, which Graft never runs: download the data yourself."
        self._wrong(f"{key}: there is no folder or file {entry}.", cure)

    def _wrong(self, message: str, cure: str) -> None:
        self.problems.append(Problem(str(self.path), message, cure))
