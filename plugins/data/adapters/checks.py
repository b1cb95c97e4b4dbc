"""Checks of options that several data adapters share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core import Problem, RunConfig
from core.tasks import MULTI
from plugins.data.target_layout import layout_of


def columns(
    config: RunConfig, label: str, label_columns: Sequence[str], split: str, group: str, given: Sequence[str]
) -> Iterator[Problem]:
    """Yield contradictory columns of labels, splits and groups. `given` are the sources of train, val and test."""
    if label and label_columns:
        yield Problem("data.label_columns", "label is set too.", "Set only one of the two.")
    if label_columns and layout_of(config.task) != MULTI:
        message = f"the task's target is {config.task.target}; columns of 0 and 1 are for multi."
        yield Problem("data.label_columns", message, "Use data.label, or a task whose target is multi.")
    if split and any(given):
        yield Problem("data.split", "the files name the splits already.", "Set data.path, or leave out data.split.")
    if group and all(given):
        yield Problem("data.group", "all splits are given, so it would have no effect.", "Leave it out.")
