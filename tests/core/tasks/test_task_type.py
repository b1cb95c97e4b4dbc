"""Task types: what one does that implements no more than it must, and the task that a configuration starts from.

Covers: core/tasks/task.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from core.registry.registry import load_registry
from core.tasks.task import Task
from core.tasks.task_type import TaskType


@dataclass
class Numbers(TaskType):
    """Label a number."""

    name: ClassVar[str] = "numbers"
    example: ClassVar[type] = int
    targets: ClassVar[tuple[str, ...]] = ("single",)

    def identity(self, example: int) -> bytes:
        return str(example).encode()

    def content(self, example: int) -> dict[str, Any]:
        return {"number": example}

    def parse(self, text: str) -> int:
        return int(text)


def test_each_word_of_predict_is_parsed_by_itself() -> None:
    assert list(Numbers().read(["1", "20"])) == [1, 20]


def test_no_example_is_refused_and_nothing_is_drawn() -> None:
    numbers = Numbers()
    assert numbers.fault(1) is None
    assert numbers.drawn(1, None, ("a",)) is None
    assert numbers.picture([1], None, ("a",)) is None  # type: ignore[arg-type]


def test_a_task_starts_with_a_task_type_and_a_target_type_that_exist() -> None:
    task, components = Task(), load_registry().components
    task_type = components["task_type"][task.type]
    assert task.target in task_type.targets
    assert task.target in components["target_type"]
