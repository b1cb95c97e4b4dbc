"""What a data adapter must do: the same seed gives the same cut, every example is whole and says where it was read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

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

    Three splits that are not empty, are sequences, and hold examples of the task's type, each with a valid target and a
    place; label names without repetition, all of them in the training split; and reading twice with one seed gives the
    same splits and fingerprint, while another cut has another fingerprint.

    Args:
        adapter: Its options name the source.
        task: What its examples are for.
        seed: Decides the cut.

    Returns:
        What it read, for checks of your own.

    Raises:
        AssertionError: What is wrong, and what would put it right.
    """
    subject, task_type = Subject(f"data={adapter.name}"), load_registry().task_type(task.type)
    splits = adapter.load(task, seed)
    output = load_registry().output(task, splits.labels)
    _check_labels(subject, splits, output)
    for part in PARTS:
        _check_split(subject, part, getattr(splits, part), task_type, output)
    _check_coverage(subject, splits, output)
    _check_record(subject, splits)
    _check_determinism(subject, adapter, splits, task_type, task, seed)
    return splits


def _check_labels(subject: Subject, splits: Splits, output: OutputSpec) -> None:
    labels, target, task = splits.labels, output.target, output.task
    if not target.has_labels:
        subject.expect(labels == (), f"the target type {target.name} has no labels, but it gives {labels!r}.")
        return
    names = isinstance(labels, tuple) and all(isinstance(label, str) and label for label in labels)
    subject.expect(names, f"`labels` must be a tuple of names; it is {labels!r}.")
    least = target.fewest_labels
    enough = len(set(labels)) == len(labels) >= least
    subject.expect(enough, f"`labels` must be {least} or more, none twice; it is {labels!r}.")
    if task.labels is not None:
        subject.expect(labels == tuple(task.labels), f"must keep to task.labels {task.labels!r}; it gives {labels!r}.")


def _check_split(subject: Subject, part: str, split: Sequence[Any], task_type: TaskType, output: OutputSpec) -> None:
    subject.expect(len(split) > 0, f"the {part} split is empty; give the check a source with more examples.")
    listed = list(split)
    subject.expect(len(listed) == len(split), f"{part}: iterating gives {len(listed)} examples, len() {len(split)}.")
    subject.expect(split[len(split) - 1] == listed[-1], f"{part}: indexing and iterating give other examples.")
    for row, example in enumerate(listed):
        where = f"{part}[{row}]"
        fits = isinstance(example, task_type.example)
        subject.expect(fits, f"{where} must be a {task_type.example.__name__}; it is {example!r}.")
        subject.expect(example.place, f"{where} needs a `place` (file:row), so that messages can name it: {example!r}.")
        problem = output.target.target_problem(example.target, output.labels, example)
        subject.expect(not problem, f"the target of {where} {problem}; it is {example.target!r}.")
        task_type.identity(example)


def _check_coverage(subject: Subject, splits: Splits, output: OutputSpec) -> None:
    """Every label that val and test hold is one that training shows, where the target type needs every label."""
    if not output.target.needs_every_label:
        return
    of = output.target.labels_of
    held = {part: {label for each in getattr(splits, part) for label in of(each.target)} for part in PARTS}
    unseen = [splits.labels[label] for label in sorted((held["val"] | held["test"]) - held["train"])]
    cure = "Raise DataError for such data, or cut it with core.data.build_splits."
    subject.expect(not unseen, f"the training split lacks labels that the others hold: {', '.join(unseen)}. {cure}")


def _check_record(subject: Subject, splits: Splits) -> None:
    hashed = re.fullmatch(r"[0-9a-f]{16,}", splits.fingerprint)
    subject.expect(hashed, f"`fingerprint` must be a hexadecimal hash; it is {splits.fingerprint!r}.")
    subject.expect(splits.description, "`description` must say where the data came from and how it was cut.")
    for finding in splits.findings:
        fits = isinstance(finding, DataIssue) and finding.level in ("warning", "info") and finding.count > 0
        subject.expect(fits, f"a finding is a Finding with a count, of level warning or info; this is {finding!r}.")


def _check_determinism(
    subject: Subject, adapter: DataAdapter, splits: Splits, task_type: TaskType, task: Task, seed: int
) -> None:
    def read(number: int) -> tuple[list[list[Any]], Splits]:
        found = adapter.load(task, number)
        return [[(task_type.identity(each), each.target) for each in getattr(found, part)] for part in PARTS], found

    first = [[(task_type.identity(each), each.target) for each in getattr(splits, part)] for part in PARTS]
    again, repeated = read(seed)
    subject.expect(again == first, "reading twice with one seed gives other splits; draw from the seed alone.")
    subject.expect(repeated.labels == splits.labels, "reading twice with one seed gives other labels.")
    subject.expect(repeated.fingerprint == splits.fingerprint, "reading twice with one seed gives other fingerprints.")
    other, elsewhere = read(seed + 1)
    hashed = other == first or elsewhere.fingerprint != splits.fingerprint
    subject.expect(hashed, "two seeds cut the data differently but share a fingerprint; hash the cut too.")
