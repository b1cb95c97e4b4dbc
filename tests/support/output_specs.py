"""What a model predicts, for tests: a target type with label names."""

from __future__ import annotations

from collections.abc import Sequence

from core.registry.registry import load_registry
from core.tasks.output import OutputSpec
from core.tasks.task import Task

TASK_TYPES = {"boxes": "object-detection"}


def output(target: str = "single", labels: Sequence[str] = (), **task: str) -> OutputSpec:
    """Return an output of that target type; `labels` may be a text, one letter per label."""
    return load_registry().output(
        Task(**{"type": TASK_TYPES.get(target, "text-classification"), "target": target} | task), labels
    )
