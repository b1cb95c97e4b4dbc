"""What a data adapter must do: the same seed gives the same cut, every example is whole and says where it was read."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from core.contracts import DataAdapter, Finding, Splits, Task
from core.kinds import BOXES, MULTI, REGRESSION, SINGLE, Boxes, Kind
from core.registry import load
from core.testing.expect import Subject

PARTS = ("train", "val", "test")


def check_data_adapter(adapter: DataAdapter, task: Task, seed: int = 0) -> Splits:
    """Check a data adapter on a small source.

    Three splits that are not empty, are sequences, and hold examples of the task's kind, each with a valid target and a
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
    subject, kind = Subject(f"data={adapter.name}"), load().kind(task.kind)
    splits = adapter.load(task, seed)
    _check_labels(subject, splits, task)
    for part in PARTS:
        _check_split(subject, part, getattr(splits, part), kind, task, len(splits.labels))
    _check_coverage(subject, splits, task)
    _check_record(subject, splits)
    _check_determinism(subject, adapter, splits, kind, task, seed)
    return splits


def _check_labels(subject: Subject, splits: Splits, task: Task) -> None:
    labels = splits.labels
    if task.target == REGRESSION:
        subject.expect(labels == (), f"a regression has no labels, but it gives {labels!r}.")
        return
    names = isinstance(labels, tuple) and all(isinstance(label, str) and label for label in labels)
    subject.expect(names, f"`labels` must be a tuple of names; it is {labels!r}.")
    least, words = (1, "one") if task.target == BOXES else (2, "two")
    enough = len(set(labels)) == len(labels) >= least
    subject.expect(enough, f"`labels` must be {words} or more, none twice; it is {labels!r}.")
    if task.labels is not None:
        subject.expect(labels == tuple(task.labels), f"must keep to task.labels {task.labels!r}; it gives {labels!r}.")


def _check_split(subject: Subject, part: str, split: Sequence[Any], kind: Kind, task: Task, n_labels: int) -> None:
    subject.expect(len(split) > 0, f"the {part} split is empty; give the check a source with more examples.")
    listed = list(split)
    subject.expect(len(listed) == len(split), f"{part}: iterating gives {len(listed)} examples, len() {len(split)}.")
    subject.expect(split[len(split) - 1] == listed[-1], f"{part}: indexing and iterating give other examples.")
    for row, example in enumerate(listed):
        where = f"{part}[{row}]"
        fits = isinstance(example, kind.example)
        subject.expect(fits, f"{where} must be a {kind.example.__name__}; it is {example!r}.")
        subject.expect(example.place, f"{where} needs a `place` (file:row), so that messages can name it: {example!r}.")
        size = getattr(example, "size", (0, 0))
        problem = _target_problem(example.target, task.target, n_labels, size)
        subject.expect(not problem, f"the target of {where} {problem}; it is {example.target!r}.")
        kind.identity(example)


def _target_problem(value: Any, target: str, n_labels: int, size: tuple[int, int] = (0, 0)) -> str:
    if target == BOXES:
        return _boxes_problem(value, n_labels, size)
    if target == SINGLE:
        fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < n_labels
        return "" if fits else f"must be the index (int) of one of {n_labels} labels"
    if target == MULTI:
        fits = isinstance(value, tuple) and all(isinstance(each, int) and 0 <= each < n_labels for each in value)
        return "" if fits and list(value) == sorted(set(value)) else "must be a sorted tuple of label indices"
    if target == REGRESSION:
        fits = isinstance(value, float) and math.isfinite(value)
        return "" if fits else "must be a finite float"
    return "" if value is not None else "is missing"


def _boxes_problem(value: Any, n_labels: int, size: tuple[int, int]) -> str:
    if not isinstance(value, Boxes):
        return "must be `Boxes` (without any where the image shows no object)"
    if len(value.corners) != len(value.labels) or len(value.crowd) not in (0, len(value.labels)):
        return "must have as many corners as labels, and as many crowd flags or none"
    if not all(isinstance(each, int) and 0 <= each < n_labels for each in value.labels):
        return f"must have the indices (int) of {n_labels} labels"
    width, height = size if size != (0, 0) else (math.inf, math.inf)
    for x1, y1, x2, y2 in value.corners:
        if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):  # false for NaN too
            return "must have boxes x1, y1, x2, y2 in pixels with a width and a height, within the image"
    return ""


def _check_coverage(subject: Subject, splits: Splits, task: Task) -> None:
    """Every label that val and test hold is one that training shows."""
    if task.target not in (SINGLE, MULTI):
        return
    held = {part: {label for each in getattr(splits, part) for label in _indices(each.target)} for part in PARTS}
    unseen = [splits.labels[label] for label in sorted((held["val"] | held["test"]) - held["train"])]
    cure = "Raise DataError for such data, or cut it with core.splits.build."
    subject.expect(not unseen, f"the training split lacks labels that the others hold: {', '.join(unseen)}. {cure}")


def _indices(target: Any) -> tuple[int, ...]:
    return target if isinstance(target, tuple) else (target,)


def _check_record(subject: Subject, splits: Splits) -> None:
    hashed = re.fullmatch(r"[0-9a-f]{16,}", splits.fingerprint)
    subject.expect(hashed, f"`fingerprint` must be a hexadecimal hash; it is {splits.fingerprint!r}.")
    subject.expect(splits.description, "`description` must say where the data came from and how it was cut.")
    for finding in splits.findings:
        fits = isinstance(finding, Finding) and finding.level in ("warning", "info") and finding.count > 0
        subject.expect(fits, f"a finding is a Finding with a count, of level warning or info; this is {finding!r}.")


def _check_determinism(
    subject: Subject, adapter: DataAdapter, splits: Splits, kind: Kind, task: Task, seed: int
) -> None:
    def read(number: int) -> tuple[list[list[Any]], Splits]:
        found = adapter.load(task, number)
        return [[(kind.identity(each), each.target) for each in getattr(found, part)] for part in PARTS], found

    first = [[(kind.identity(each), each.target) for each in getattr(splits, part)] for part in PARTS]
    again, repeated = read(seed)
    subject.expect(again == first, "reading twice with one seed gives other splits; draw from the seed alone.")
    subject.expect(repeated.labels == splits.labels, "reading twice with one seed gives other labels.")
    subject.expect(repeated.fingerprint == splits.fingerprint, "reading twice with one seed gives other fingerprints.")
    other, elsewhere = read(seed + 1)
    hashed = other == first or elsewhere.fingerprint != splits.fingerprint
    subject.expect(hashed, "two seeds cut the data differently but share a fingerprint; hash the cut too.")
