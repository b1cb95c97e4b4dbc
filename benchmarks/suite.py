"""Read suites: YAML files in `benchmarks/suites/` that list cells, each one task × model × method × seed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.config import from_yaml
from core.errors import ConfigError, GraftError, Problem, nearest, unknown

SUITES = Path(__file__).with_name("suites")
_TOP = {"summary": str, "timeout_minutes": float, "seeds": list, "options": list, "cells": list}
_ENTRY = {"task": str, "model": str, "method": str, "seeds": list, "options": list}
_TIMEOUT_MINUTES = 30.0


@dataclass(frozen=True)
class Cell:
    """One run of a suite.

    Attributes:
        task, model, method: Presets or components, by name.
        seed: The run's seed.
        options: Further overrides, such as `train.epochs=1`.
    """

    task: str
    model: str
    method: str
    seed: int
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.task}-{self.model}-{self.method}-seed{self.seed}"

    @property
    def overrides(self) -> list[str]:
        """The arguments of `python -m core`."""
        choices = [f"task={self.task}", f"model={self.model}", f"method={self.method}", f"seed={self.seed}"]
        return [*choices, *self.options]

    def plain(self) -> dict[str, Any]:
        """Return its composed and checked configuration as nested plain values.

        Raises:
            ConfigError: Names or options are invalid or incompatible; each problem names the cell.
        """
        from core.config import check, resolve, to_plain
        from core.files import clean

        try:
            config = resolve(self.overrides)
            check(config)
        except GraftError as error:
            raise ConfigError(*(replace(p, source=f"cell {self.name}") for p in error.problems)) from error
        plain: dict[str, Any] = clean(to_plain(config))
        return plain


@dataclass(frozen=True)
class Suite:
    """A list of cells.

    Attributes:
        name: The file's name without its suffix.
        summary: Its purpose.
        timeout_minutes: Time limit of a cell.
        cells: The cells, in the order in which they run.
    """

    name: str
    summary: str
    timeout_minutes: float
    cells: tuple[Cell, ...]


def names() -> list[str]:
    """Return the names of the bundled suites."""
    return sorted(path.stem for path in SUITES.glob("*.yaml"))


def read(name: str) -> Suite:
    """Return the suite with that name, or in that YAML file.

    Raises:
        ConfigError: There is none, or it is invalid.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else SUITES / f"{name}.yaml"
    if not path.is_file():
        raise ConfigError(Problem("suite", *unknown("suite", name, names())))
    try:
        text = path.read_text(encoding="utf-8")
        plain = from_yaml(text)
    except (ConfigError, UnicodeDecodeError) as error:
        raise ConfigError(Problem(str(path), f"cannot be read: {error}")) from error
    return parse(path.stem, plain, str(path))


def parse(name: str, plain: Mapping[str, Any], source: str = "") -> Suite:
    """Return a suite from plain values; every entry of `cells` is the product of its lists.

    Raises:
        ConfigError: Lists everything that is invalid.
    """
    problems = list(_misfits(plain, _TOP, "", source))
    entries = plain.get("cells")
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        problems += _entry_problems(entry, f"cells[{number}]", source)
    if not entries:
        problems.append(Problem("cells", "lists nothing to run.", "Add at least one task × model × method.", source))
    if problems:
        raise ConfigError(*problems)
    cells = tuple(cell for entry in plain["cells"] for cell in _expand(entry, plain))
    seen = [cell.name for cell in cells]
    if doubles := sorted({each for each in seen if seen.count(each) > 1}):
        cure = "Put cells that differ only in their options into separate suites."
        raise ConfigError(*(Problem("cells", f"lists {each} twice.", cure, source) for each in doubles))
    minutes = float(plain.get("timeout_minutes", _TIMEOUT_MINUTES))
    return Suite(name, str(plain.get("summary", "")), minutes, cells)


def _expand(entry: Mapping[str, Any], suite: Mapping[str, Any]) -> Iterator[Cell]:
    options = (*suite.get("options", ()), *entry.get("options", ()))
    seeds = entry.get("seeds", suite.get("seeds", [0]))
    axes = (_listed(entry[key]) for key in ("task", "model", "method"))
    for task, model, method, seed in itertools.product(*axes, seeds):
        yield Cell(task, model, method, seed, options)


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _entry_problems(entry: Any, where: str, source: str) -> Iterator[Problem]:
    if not isinstance(entry, Mapping):
        yield Problem(where, "is not a mapping of task, model and method.", "", source)
        return
    yield from _misfits(entry, _ENTRY, f"{where}.", source)
    for key in ("task", "model", "method"):
        if not entry.get(key):
            yield Problem(f"{where}.{key}", "is missing.", f"{key}: NAME, or a list of names.", source)


def _misfits(values: Mapping[str, Any], known: Mapping[str, type], prefix: str, source: str) -> Iterator[Problem]:
    """Yield unknown keys, and values of a wrong type."""
    for key, value in values.items():
        if key not in known:
            close = nearest(key, known)
            cure = f"Did you mean {close}? " if close else ""
            yield Problem(f"{prefix}{key}", "is not known here.", f"{cure}There are: {', '.join(known)}.", source)
        elif not _fits(key, value, known[key]):
            yield Problem(f"{prefix}{key}", f"cannot be {value!r}.", _EXPECTED[key], source)


_EXPECTED = {
    "summary": "One sentence.",
    "timeout_minutes": "A number above 0.",
    "seeds": "A list of whole numbers, such as [0, 1].",
    "options": "A list of overrides, such as [train.epochs=1].",
    "cells": "A list of entries with task, model and method.",
    "task": "A name, or a list of names.",
    "model": "A name, or a list of names.",
    "method": "A name, or a list of names.",
}


def _fits(key: str, value: Any, kind: type) -> bool:
    if key == "timeout_minutes":
        return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    if key == "seeds":
        return isinstance(value, list) and bool(value) and all(type(each) is int for each in value)
    if key == "options":
        return isinstance(value, list) and all(isinstance(each, str) and "=" in each for each in value)
    if key in ("task", "model", "method"):
        return all(isinstance(each, str) for each in _listed(value))
    return isinstance(value, kind)
