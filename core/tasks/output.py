"""What a model predicts: the task, its label names, its target type and its task type as one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.tasks.targets.target import DEFAULT_THRESHOLD, Targets, TargetType
from core.tasks.task import Task
from core.tasks.task_type import TaskType

if TYPE_CHECKING:
    from core.tasks.targets.encoded import Target


@dataclass(frozen=True)
class OutputSpec:
    """A task with the label names found in its data, its target type and its task type.

    Attributes:
        task: The task.
        labels: Label names in the order of their indices; empty if the target type has no labels.
        target: The target type.
        task_type: The task type.
    """

    task: Task
    labels: tuple[str, ...]
    target: TargetType
    task_type: TaskType

    @property
    def width(self) -> int:
        """The number of outputs of a head, c."""
        return self.target.outputs(self.labels)

    @property
    def layout(self) -> str:
        """The target type whose array shapes the outputs have; see `TargetType.layout`."""
        return self.target.layout

    def stack(self, targets: Sequence[Target]) -> Targets:
        """Stack targets (none of them None) into one array; see `TargetType.stack`."""
        return self.target.stack(targets, self.labels)

    def targets_of(self, examples: Sequence[Any]) -> Targets:
        """Return the targets of a split as one array."""
        return self.stack([example.target for example in examples])

    def name_thresholds(self, thresholds: Sequence[float] | None) -> dict[str, float] | None:
        """Return thresholds by name, as `report.json` stores them."""
        if thresholds is None:
            return None
        return dict(zip(self.target.threshold_names(self.labels), thresholds, strict=True))

    def read_thresholds(self, stored: Mapping[str, Any] | None) -> tuple[float, ...] | None:
        """Return stored thresholds in the order of their names; None if none are stored."""
        if not stored or not self.target.has_thresholds:
            return None
        return tuple(float(stored.get(name, DEFAULT_THRESHOLD)) for name in self.target.threshold_names(self.labels))
