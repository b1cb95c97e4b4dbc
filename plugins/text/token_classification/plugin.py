"""The plugin of token classification: its examples, tags, models, data adapters and metrics."""

from __future__ import annotations

from collections.abc import Sequence

from core import DataAdapter, TaskType, hookimpl
from plugins.text.token_classification.data.adapters import ADAPTERS
from plugins.text.token_classification.example import TokenClassification


@hookimpl
def task_types() -> Sequence[type[TaskType]]:
    """Return the task type token-classification."""
    return [TokenClassification]


@hookimpl
def data_adapters() -> Sequence[type[DataAdapter]]:
    """Return the data adapters entities, tagged_text and hub_tags."""
    return ADAPTERS
