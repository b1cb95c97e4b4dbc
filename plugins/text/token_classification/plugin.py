"""The plugin of token classification: its examples, tags, models, data adapters and metrics."""

from __future__ import annotations

from collections.abc import Sequence

from core import TaskType, hookimpl
from plugins.text.token_classification.example import TokenClassification


@hookimpl
def task_types() -> Sequence[type[TaskType]]:
    """Return the task type token-classification."""
    return [TokenClassification]
