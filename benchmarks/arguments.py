"""Parse `key=value` words into a dataclass of options, as strictly as Graft's own command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from core.config import typed
from core.errors import ConfigError, Problem, nearest
from core.options import limits, violations

T = TypeVar("T")


def options(kind: type[T], words: Sequence[str], command: str) -> T:
    """Return an instance of a dataclass from words such as `rounds=3`.

    Args:
        kind: A dataclass whose fields are declared with `core.option`.
        words: The command-line arguments.
        command: The command, for messages.

    Raises:
        ConfigError: Lists all invalid words, each with the nearest option.
    """
    names = [each.name for each in dataclasses.fields(kind)]  # type: ignore[arg-type]
    values, problems = {}, []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in names:
            close = nearest(key.lstrip("-"), names)
            cure = f"Did you mean {close}=…? " if close else ""
            problems.append(Problem(word, f"is not an option of {command}.", f"{cure}There are: {', '.join(names)}."))
        else:
            values[key] = value
    if problems:
        raise ConfigError(*problems)
    found: T = typed(kind, values)
    if problems := list(violations(found, command)):
        raise ConfigError(*problems)
    return found


def help_of(kind: type[object]) -> str:
    """Return one line per option: its default and its help text."""
    lines = []
    for each in dataclasses.fields(kind):  # type: ignore[arg-type]
        default = each.default if each.default != "" else ""
        lines.append(f"  {f'{each.name}={default}':<22} {limits(each).help}")
    return "\n".join(lines)


def quoted(path: Path) -> str:
    """Return a path quoted for Hydra's grammar."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
