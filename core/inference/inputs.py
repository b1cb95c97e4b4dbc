"""What `predict` is given: arguments, lines or a file. What cannot be used is passed over, and told at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from core.errors import DataError, Problem
from core.tasks.task_type import TaskType

SHOWN = 20
"""Inputs that cannot be used are named one by one up to so many."""


@dataclass
class Inputs:
    """Examples without targets, as they come.

    Attributes:
        task_type: Reads them, and knows whether one can be used.
        used: How many could be.
        unusable: How many could not.
        problems: Why, for the first `SHOWN` of those.
    """

    task_type: TaskType
    used: int = 0
    unusable: int = 0
    problems: list[Problem] = field(default_factory=list)

    def read(self, words: Iterable[str]) -> Iterator[Any]:
        """The examples that words mean; a word that means none does not end the others."""
        for word in words:
            if not word.strip():
                continue
            try:
                yield from self.task_type.read([word])
            except DataError as error:
                self._pass_over(error.problems)

    def usable(self, examples: Iterable[Any]) -> Iterator[Any]:
        """Those that can be used. A kind that has no `fault` of its own is not asked."""
        asks = type(self.task_type).fault is not TaskType.fault
        for example in examples:
            if asks and (problem := self.task_type.fault(example)) is not None:
                self._pass_over([problem])
            else:
                self.used += 1
                yield example

    def _pass_over(self, problems: Iterable[Problem]) -> None:
        self.unusable += 1
        self.problems += list(problems)[: SHOWN - len(self.problems)]

    def refuse_rest(self) -> None:
        """End with what could not be used, if anything.

        Raises:
            DataError: Something could not; all of it is named, or the first `SHOWN` and their number.
        """
        if not self.unusable:
            return
        if not self.used and self.unusable <= SHOWN:
            raise DataError(*self.problems)
        others = f"the other {self.used} were predicted" if self.used else "nothing was predicted"
        lines = [f"{each.where}: {each.message} {each.cure}".rstrip() for each in self.problems]
        more = [f"and {self.unusable - len(lines)} more"] if self.unusable > len(lines) else []
        message = f"{self.unusable} of {self.used + self.unusable} inputs cannot be used; {others}."
        raise DataError(Problem("predict", "\n    ".join([message, *lines, *more])))
