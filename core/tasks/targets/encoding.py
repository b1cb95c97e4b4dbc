"""Encode the raw labels of a source as label names and targets."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from typing import TypeGuard

import numpy as np

from core.errors import nearest
from core.issues import RowIssue
from core.tasks.targets.encoded import Encoded, Target
from core.tasks.targets.target import TargetType
from core.tasks.task import Task

MISSING_NAMES = frozenset({"", "nan", "<na>", "null"})
"""How a missing label is written as text, in lower case."""

_MISSING = RowIssue("missing_label", "the label is missing", "Give the row a label, or remove it.")
_NAN = RowIssue("nan_label", "the label is NaN (not a number)", "Give the row a label, or remove it.")


class LabelEncoder:
    """Encodes label names: one per row as an index (int), or a set per row as a sorted tuple of indices.

    Args:
        task: Its `labels`, if given, are the only names allowed, in this order.
        target: The target type.
        several: Whether a row may have any number of labels.
    """

    def __init__(self, task: Task, target: TargetType, several: bool = False) -> None:
        self._target, self._several = target, several
        self._given = tuple(task.labels) if task.labels else ()
        self._codes: dict[tuple[str, ...], int] = {}
        self._values = array("q")

    def add(self, raw: object) -> RowIssue | None:
        """Encode the label or labels of one row, or return why they cannot be used."""
        if raw is None or (isinstance(raw, float) and math.isnan(raw)):
            return _MISSING if raw is None else _NAN
        names = tuple(sorted({label_name(each) for each in raw})) if is_several(raw) else (label_name(raw),)
        for name in names:
            if name.lower() in MISSING_NAMES and name not in self._given:
                return _NAN if name.lower() == "nan" else _MISSING
            if self._given and name not in self._given:
                return unknown_label(name, self._given)
        if not self._several and len(names) != 1:
            message = f"the row has {len(names)} labels, but the task predicts one"
            return RowIssue("several_labels", message, "Use a task whose target type is multi.")
        self._values.append(self._codes.setdefault(names, len(self._codes)))
        return None

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        """Return the targets, and a problem if all rows have the same one.

        With several given labels this is no problem: it may be data to evaluate on.
        """
        names = self._given or tuple(sorted({name for names in self._codes for name in names}, key=natural))
        index = {name: number for number, name in enumerate(names)}
        sets = [tuple(sorted(index[name] for name in each)) for each in self._codes]
        table: tuple[Target, ...] = tuple(sets) if self._several else tuple(number for (number,) in sets)
        values = np.frombuffer(self._values, dtype=np.int64)
        return Encoded(names, values, self._target, table), self._problems()

    def _problems(self) -> list[tuple[str, str]]:
        if len(self._codes) != 1 or len(self._given) > 1:
            return []
        ((only,),) = [tuple(self._codes)]
        what = f"the label {only[0]!r}" if len(only) == 1 else f"the labels {only}" if only else "no label"
        return [
            (
                f"every example has {what}, so there is nothing to learn.",
                "Add examples of a second label, or check which column holds the label.",
            )
        ]


class ValueEncoder:
    """Encodes numbers as float64 values."""

    def __init__(self, target: TargetType) -> None:
        self._target = target
        self._values = array("d")

    def add(self, raw: object) -> RowIssue | None:
        """Encode one number (or its text), or return why it cannot be used."""
        if raw is None or (isinstance(raw, str) and raw.strip().lower() in MISSING_NAMES - {"nan"}):
            return _MISSING
        try:
            value = float(raw)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return RowIssue(
                "label_not_a_number",
                f"the label {raw!r} is not a number",
                "A task with the target type regression needs numbers.",
            )
        if not math.isfinite(value):
            return _NAN if math.isnan(value) else RowIssue("infinite_label", "the label is infinite")
        self._values.append(value)
        return None

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        """Return the values, and a problem if all are equal."""
        values = np.frombuffer(self._values, dtype=np.float64)
        problems = []
        if len(values) and (values == values[0]).all():
            message = f"every label is {values[0]:g}, so there is nothing to learn."
            problems.append((message, "Check the label column."))
        return Encoded((), values, self._target), problems


def unknown_label(name: str, given: Sequence[str]) -> RowIssue:
    """Return the issue of a label that is not in `task.labels`; it suggests the nearest name."""
    close = nearest(name, given)
    return RowIssue(
        "unknown_label",
        f"the label {name!r} is not one of task.labels",
        f"{f'Did you mean {close!r}? ' if close else ''}Add it to task.labels, or correct the row.",
    )


def is_several(raw: object) -> TypeGuard[Sequence[object]]:
    """Return whether a raw label is a sequence of labels."""
    return isinstance(raw, Sequence) and not isinstance(raw, str)


def label_name(raw: object) -> str:
    """Return the name of a raw label: a text, a number or a truth value.

    `1.0` becomes `1`, and JSON's `true` becomes `true`.
    """
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    return str(raw).strip()


def natural(name: str) -> tuple[tuple[int, float, str], ...]:
    """Return a sort key that orders numbers by value: `-1 0 2 10`, and `class 2` before `class 10`."""
    try:
        value = float(name)
        if math.isfinite(value):
            return ((0, value, name),)
    except ValueError:
        pass
    parts = re.split(r"(\d+)", name)
    return tuple((0, float(part), part) if part.isdecimal() else (1, 0.0, part) for part in parts if part)
