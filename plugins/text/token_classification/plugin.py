"""The plugin of token classification: its examples, tags, models, data adapters and metrics."""

from __future__ import annotations

from collections.abc import Sequence

from core import DataAdapter, Metric, ModelLoader, TargetType, TaskType, hookimpl
from plugins.text.token_classification.data.adapters import ADAPTERS
from plugins.text.token_classification.example import TokenClassification
from plugins.text.token_classification.loader import TokenEncoder
from plugins.text.token_classification.metrics import EntityF1, EntityPrecision, EntityRecall, TokenAccuracy
from plugins.text.token_classification.tags import Tags


@hookimpl
def task_types() -> Sequence[type[TaskType]]:
    """Return the task type token-classification."""
    return [TokenClassification]


@hookimpl
def target_types() -> Sequence[type[TargetType]]:
    """Return the target type tags."""
    return [Tags]


@hookimpl
def data_adapters() -> Sequence[type[DataAdapter]]:
    """Return the included sentences, files of tagged texts, and data sets of the Hub."""
    return ADAPTERS


@hookimpl
def model_loaders() -> Sequence[type[ModelLoader]]:
    """Return the encoder with a head on each word."""
    return [TokenEncoder]


@hookimpl
def metrics() -> Sequence[type[Metric]]:
    """Return the metrics of entities and of words."""
    return [EntityPrecision, EntityRecall, EntityF1, TokenAccuracy]
