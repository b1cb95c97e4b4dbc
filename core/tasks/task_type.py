"""The base class of task types."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.component import Component
from core.errors import Problem

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.tasks.targets.encoded import Target
    from core.tasks.targets.target import Predictions


@dataclass
class TaskType(Component):
    """A class of examples: when two are duplicates, how they are read, written and drawn.

    Attributes:
        example: The class of its examples.
        targets: The names of its target types. A target type can also list the task type in its own `task_types`.
    """

    example: ClassVar[type]
    targets: ClassVar[tuple[str, ...]]

    @abstractmethod
    def identity(self, example: Any) -> bytes:
        """Return bytes that are equal for duplicates; the target does not matter."""

    @abstractmethod
    def content(self, example: Any) -> dict[str, Any]:
        """Return the example as JSON values, for `predictions.jsonl`."""

    @abstractmethod
    def parse(self, text: str) -> Any:
        """Return an example without a target from one argument of `predict`, or from one line of its input."""

    def read(self, words: Iterable[str]) -> Iterator[Any]:
        """Yield examples from the arguments of `predict` or the lines of its input; one can name many examples."""
        return (self.parse(word) for word in words)

    def fault(self, example: Any) -> Problem | None:
        """Return why an example from `read` cannot be used, or None."""
        return None

    def samples(self, targets: Sequence[Target], labels: Sequence[str]) -> Sequence[Any]:
        """Return an example for each target, for conformance tests: of many lengths, and easy to learn.

        Raises:
            NotImplementedError: The task type has no such examples; the tests then need examples of the caller.
        """
        raise NotImplementedError(f"the task type {self.name} has no synthetic examples")

    def picture(
        self,
        examples: Sequence[Any],
        predictions: Predictions,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> Image | None:
        """Return a page of examples with targets and predictions, for `predictions.png`; None for no page.

        Args:
            examples: Examples with their targets.
            predictions: Their predictions, shaped as in `core.tasks`.
            labels: Label names.
            thresholds: As `TargetType.write` takes them.
        """
        return None

    def drawn(
        self, example: Any, prediction: Any, labels: Sequence[str], thresholds: Sequence[float] | None = None
    ) -> Image | None:
        """Return one example with its prediction drawn on it, for `predict --pictures`; None if that is impossible.

        Args:
            example: An example from `read`.
            prediction: Its prediction, as `TargetType.write` takes it.
            labels: Label names.
            thresholds: As `TargetType.write` takes them.
        """
        return None
