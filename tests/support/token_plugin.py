"""The plugin of token classification, registered for a while, and texts with tags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np

from core.registry.registry import load_registry
from core.tasks.output import OutputSpec
from core.tasks.task import Task
from plugins.text.token_classification import plugin
from plugins.text.token_classification.example import TokenExample, joined
from plugins.text.token_classification.tag_set import TagSet

LABELS = ("O", "B-date", "I-date", "B-person", "I-person", "B-place", "I-place")
TAGS = TagSet(LABELS)
POINTS = {"task_type": plugin.task_types, "target_type": plugin.target_types, "metric": plugin.metrics}


@contextmanager
def registered() -> Iterator[None]:
    """Register the task type, the target type and the metrics."""
    registry = load_registry()
    components = {point: {each.name: each for each in hook()} for point, hook in POINTS.items()}  # type: ignore[operator]
    with mock.patch.multiple(
        registry,
        components={point: all_ | components.get(point, {}) for point, all_ in registry.components.items()},
        owners={
            point: all_ | dict.fromkeys(components.get(point, {}), "token_plugin")
            for point, all_ in registry.owners.items()
        },
    ):
        yield


def output(labels: Sequence[str] = LABELS) -> OutputSpec:
    """Return the output of a task with these tags."""
    return load_registry().output(Task(type="token-classification", target="tags"), labels)


def text(words: str, tags: str = "", labels: Sequence[str] = LABELS) -> TokenExample:
    """Return the example of words and tags that are separated by spaces; without tags, one without a target."""
    example = joined(words.split())
    return replace(example, target=numbers(tags, labels)) if tags else example


def numbers(tags: str, labels: Sequence[str] = LABELS) -> tuple[int, ...]:
    """Return the indices of tags that are separated by spaces."""
    return tuple(labels.index(tag) for tag in tags.split())


def sure(tags: Sequence[int], labels: Sequence[str] = LABELS) -> Any:
    """Return the prediction that is sure of these tags, float32 [w, c]."""
    return np.eye(len(labels), dtype=np.float32)[list(tags)].reshape(-1, len(labels))
