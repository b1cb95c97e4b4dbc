"""The contract of a task type: what its examples are, when two are duplicates, and how they are read and written."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.component import Component
from core.errors import Problem

if TYPE_CHECKING:
    from PIL.Image import Image

    from core.tasks.targets.target import Predictions


@dataclass
class TaskType(Component):
    """A type of task: what its examples are, when two are duplicates, and how they are read and written.

    Attributes:
        example: The class of its examples.
        targets: The target types that it is learned with; a target type may also list the task type in its
            `task_types`.
    """

    example: ClassVar[type]
    targets: ClassVar[tuple[str, ...]]

    @abstractmethod
    def identity(self, example: Any) -> bytes:
        """Return bytes that are equal for duplicates, whatever their targets are."""

    @abstractmethod
    def content(self, example: Any) -> dict[str, Any]:
        """Return the example as JSON values, for `predictions.jsonl`."""

    @abstractmethod
    def parse(self, text: str) -> Any:
        """Return an example without a target from one argument of `predict`, or from one line of its input."""

    def read(self, words: Iterable[str]) -> Iterator[Any]:
        """Return examples from the arguments of `predict` or the lines of its input; one can stand for many."""
        return (self.parse(word) for word in words)

    def fault(self, example: Any) -> Problem | None:
        """Return why an example from `read` cannot be used, or None."""
        return None

    def picture(
        self,
        examples: Sequence[Any],
        predictions: Predictions,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> Image | None:
        """Return a page of examples with truth and prediction, for `predictions.png`; None for no page.

        Args:
            examples: With their targets.
            predictions: In their order, as `core.tasks` says.
            labels: Label names.
            thresholds: As `TargetType.write` takes them.
        """
        return None

    def drawn(
        self, example: Any, prediction: Any, labels: Sequence[str], thresholds: Sequence[float] | None = None
    ) -> Image | None:
        """Return one example with its prediction drawn on it, for `predict --pictures`; None if that is impossible.

        Args:
            example: As `read` gives it.
            prediction: As `TargetType.write` takes it.
            labels: Label names.
            thresholds: As `TargetType.write` takes them.
        """
        return None
