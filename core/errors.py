"""Errors that a user can act on: what was asked for, what exists, the nearest match, and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One problem: where it is, what is wrong, and how to fix it.

    Attributes:
        where: The place: an option (`train.epochs`), a file and row, or a plugin.
        message: What is wrong, in one sentence.
        cure: How to fix it; empty if the message says it already.
        source: Where the value came from, such as `command line` or a preset's file; empty if nobody set it.
    """

    where: str
    message: str
    cure: str = ""
    source: str = ""

    def __str__(self) -> str:
        source = f" (from {self.source})" if self.source else ""
        cure = f"\n    {self.cure}" if self.cure else ""
        return f"{self.where}: {self.message}{source}{cure}" if self.where else f"{self.message}{source}{cure}"


class GraftError(Exception):
    """Bad input of any kind. It ends the program with a message and exit code 2, without a traceback.

    Attributes:
        problems: All problems, in the order in which they were found.
    """

    title = "Graft cannot continue"

    def __init__(self, *problems: Problem | str) -> None:
        self.problems: tuple[Problem, ...] = tuple(p if isinstance(p, Problem) else Problem("", p) for p in problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def report(self) -> str:
        """Return the message for the user: a title, then one paragraph per problem."""
        head = self.title if len(self.problems) == 1 else f"{self.title} ({len(self.problems)} problems)"
        return "\n".join([f"{head}:", *(f"  {problem}" for problem in self.problems)])


class ConfigError(GraftError):
    """The configuration is wrong: an unknown key, a wrong type, a combination that cannot work."""

    title = "The configuration is wrong"


class DataError(GraftError):
    """The data is wrong: a missing file, a bad row, one class only."""

    title = "The data cannot be used"


class WeightsError(GraftError):
    """The base weights are not available: there is no such checkpoint, it is gated, or there is no network."""

    title = "The base weights are not available"


class PluginError(GraftError):
    """A plugin is wrong: a duplicate name, a component that breaks its contract."""

    title = "A plugin cannot be used"


class RunError(GraftError):
    """A run cannot start, continue, or be resumed."""

    title = "The run cannot continue"


class NumericalError(RunError):
    """Training produced a loss that is not a finite number."""

    title = "Training diverged"


class Interrupted(Exception):  # noqa: N818 - it is not an error
    """A signal (SIGINT, SIGTERM) asked the run to stop. If training had begun, a checkpoint was written."""


def nearest(name: str, options: Iterable[str]) -> str | None:
    """Return the option that is most similar to `name`, or None if none is similar."""
    matches = difflib.get_close_matches(name, list(options), n=1, cutoff=0.5)
    return matches[0] if matches else None


def unknown(what: str, name: str, options: Sequence[str]) -> tuple[str, str]:
    """Return the message and the cure for a name that does not exist: the nearest match, then all that exist.

    Args:
        what: The noun, such as `model preset`.
        name: The name that does not exist.
        options: The names that exist.
    """
    close = nearest(name, options)
    cure = f"Did you mean {close!r}? " if close else ""
    return f"there is no {what} {name!r}.", cure + f"There are: {', '.join(sorted(options)) or 'none'}."
