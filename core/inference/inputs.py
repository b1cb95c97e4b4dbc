"""Read the inputs of `predict`: arguments, lines or a file. Unusable inputs are skipped and reported at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from core.errors import DataError, Problem
from core.tasks.task_type import TaskType

SHOWN = 20
"""Maximum number of unusable inputs that are reported one by one."""


@dataclass
class Inputs:
    """Examples without targets, as a stream.

    Attributes:
        task_type: Reads examples and checks each.
        used: Number of usable inputs.
        unusable: Number of unusable inputs.
        problems: The problems of the first `SHOWN` unusable inputs.
    """

    task_type: TaskType
    used: int = 0
    unusable: int = 0
    problems: list[Problem] = field(default_factory=list)

    def read(self, words: Iterable[str]) -> Iterator[Any]:
        """Yield the examples of arguments or lines; skip those that cannot be read."""
        for word in words:
            if not word.strip():
                continue
            try:
                yield from self.task_type.read([word])
            except DataError as error:
                self._skip(error.problems)

    def usable(self, examples: Iterable[Any]) -> Iterator[Any]:
        """Yield the usable examples. The check is skipped if the task type does not override `fault`."""
        has_check = type(self.task_type).fault is not TaskType.fault
        for example in examples:
            if has_check and (problem := self.task_type.fault(example)) is not None:
                self._skip([problem])
            else:
                self.used += 1
                yield example

    def _skip(self, problems: Iterable[Problem]) -> None:
        self.unusable += 1
        self.problems += list(problems)[: SHOWN - len(self.problems)]

    def raise_if_unusable(self) -> None:
        """Report the unusable inputs, if there are any.

        Raises:
            DataError: Some inputs are unusable; the message lists the first `SHOWN` and the number of all.
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
