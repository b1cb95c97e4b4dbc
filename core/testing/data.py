"""Check a data adapter: its examples, its labels, and the same splits for the same seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.contracts.components import DataAdapter
from core.contracts.splits import Splits
from core.issues import DataIssue
from core.registry.registry import load_registry
from core.tasks.output import OutputSpec
from core.tasks.task import Task
from core.tasks.task_type import TaskType
from core.testing.expect import Subject

PARTS = ("train", "val", "test")


def check_data_adapter(adapter: DataAdapter, task: Task, seed: int = 0) -> Splits:
    """Check a data adapter on a small source.

    Requirements:

    - The three splits are sequences and not empty.
    - Each example belongs to the task type, and has a valid target and a `place`.
    - Label names are unique. The training split has every label of the other splits, if the target type needs that.
    - With groups, each split has an int64 array of them.
    - Reading twice with one seed gives the same splits, the same groups and the same fingerprint.
    - Different splits have different fingerprints.

    Args:
        adapter: The adapter; its options name the source.
        task: The task of its examples.
        seed: The seed of the splits.

    Returns:
        The splits, for your own checks.

    Raises:
        AssertionError: A requirement is not met.
    """
    subject, task_type = Subject(f"data={adapter.name}"), load_registry().task_type(task.type)
    splits = adapter.load(task, seed)
    output = load_registry().output(task, splits.labels)
    _check_labels(subject, splits, output)
    for part in PARTS:
        _check_split(subject, part, getattr(splits, part), task_type, output)
    _check_coverage(subject, splits, output)
    _check_groups(subject, splits)
    _check_record(subject, splits)
    _check_determinism(subject, adapter, splits, task_type, task, seed)
    return splits


def _check_labels(subject: Subject, splits: Splits, output: OutputSpec) -> None:
    labels, target, task = splits.labels, output.target, output.task
    if not target.has_labels:
        subject.expect(
            labels == (), f"the target type {target.name} has no labels, so `labels` must be (); it is {labels!r}."
        )
        return
    names = isinstance(labels, tuple) and all(isinstance(label, str) and label for label in labels)
    subject.expect(names, f"`labels` must be a tuple of names; it is {labels!r}.")
    fewest = target.fewest_labels
    enough = len(set(labels)) == len(labels) >= fewest
    subject.expect(enough, f"`labels` must have at least {fewest} names, each once; it is {labels!r}.")
    if task.labels is not None:
        subject.expect(
            labels == tuple(task.labels), f"`labels` must be task.labels, {task.labels!r}; it is {labels!r}."
        )


def _check_split(subject: Subject, part: str, split: Sequence[Any], task_type: TaskType, output: OutputSpec) -> None:
    subject.expect(len(split) > 0, f"the {part} split is empty. Pass the check a source with more examples.")
    listed = list(split)
    subject.expect(
        len(listed) == len(split), f"iterating over {part} gives {len(listed)} examples, but len() is {len(split)}."
    )
    subject.expect(split[len(split) - 1] == listed[-1], f"indexing and iterating over {part} give different examples.")
    for row, example in enumerate(listed):
        where = f"{part}[{row}]"
        fits = isinstance(example, task_type.example)
        subject.expect(fits, f"{where} must be a {task_type.example.__name__}; it is {example!r}.")
        subject.expect(example.place, f"{where} needs a `place` (file:row), which errors name; it is {example!r}.")
        problem = output.target.target_problem(example.target, output.labels, example)
        subject.expect(not problem, f"the target of {where} {problem}; it is {example.target!r}.")
        task_type.identity(example)


def _check_coverage(subject: Subject, splits: Splits, output: OutputSpec) -> None:
    """Check that the training split has all labels of the others, if the target type needs every label."""
    if not output.target.needs_every_label:
        return
    of = output.target.labels_of
    present = {part: {label for each in getattr(splits, part) for label in of(each.target)} for part in PARTS}
    unseen = [splits.labels[label] for label in sorted((present["val"] | present["test"]) - present["train"])]
    cure = "Raise DataError for such data, or split it with core.data.build_splits."
    subject.expect(not unseen, f"the training split lacks labels of the other splits: {', '.join(unseen)}. {cure}")


def _check_groups(subject: Subject, splits: Splits) -> None:
    if splits.groups is None:
        return
    for part, numbers in splits.groups.items():
        fits = isinstance(numbers, np.ndarray) and numbers.ndim == 1 and numbers.dtype == np.int64
        subject.expect(fits, f"`groups[{part!r}]` must be an int64 array [n]; it is {numbers!r}.")


def _check_record(subject: Subject, splits: Splits) -> None:
    """Check fingerprint, description and issues."""
    is_hash = re.fullmatch(r"[0-9a-f]{16,}", splits.fingerprint)
    subject.expect(
        is_hash, f"`fingerprint` must be a hash of 16 or more hexadecimal digits; it is {splits.fingerprint!r}."
    )
    subject.expect(splits.description, "`description` is empty; say where the data came from and how it was split.")
    for issue in splits.findings:
        valid = isinstance(issue, DataIssue) and issue.level in ("warning", "info") and issue.count > 0
        message = f"`findings` must contain DataIssues with a count above 0 and level warning or info, not {issue!r}."
        subject.expect(valid, message)


def _check_determinism(
    subject: Subject, adapter: DataAdapter, splits: Splits, task_type: TaskType, task: Task, seed: int
) -> None:
    """Check that one seed gives the same splits twice, and that different splits have different fingerprints."""

    def contents(of: Splits) -> list[list[Any]]:
        return [[(task_type.identity(each), each.target) for each in getattr(of, part)] for part in PARTS]

    first, again, other = contents(splits), adapter.load(task, seed), adapter.load(task, seed + 1)
    twice = "reading twice with one seed gives different"
    subject.expect(contents(again) == first, f"{twice} splits. Use no randomness except that of the seed.")
    same = _groups(again) == _groups(splits)
    subject.expect(same, f"{twice} groups. Number them in the order of the source.")
    subject.expect(again.labels == splits.labels, f"{twice} labels. Sort their names, or keep the source's order.")
    subject.expect(again.fingerprint == splits.fingerprint, f"{twice} fingerprints. Hash only the data and the splits.")
    distinct = contents(other) == first or other.fingerprint != splits.fingerprint
    subject.expect(
        distinct, "two seeds give different splits with the same fingerprint. Include the splits in the hash."
    )


def _groups(splits: Splits) -> list[int] | None:
    groups = splits.groups_of(*PARTS)
    return None if groups is None else groups.tolist()
