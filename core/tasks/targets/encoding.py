"""Encoders: raw labels, as they stand in a source, become label names and compact targets."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from typing import TypeGuard

import numpy as np

from core.errors import nearest
from core.issues import RowIssue
from core.tasks.targets.target import Encoded, Target, TargetType
from core.tasks.task import Task

MISSING_NAMES = frozenset({"", "nan", "<na>", "null"})
"""How a missing label is written as text, in lower case."""

_MISSING = RowIssue("missing_label", "the label is missing", "Give the row a label, or remove it.")
_NAN = RowIssue("nan_label", "the label is NaN (not a number)", "Give the row a label, or remove it.")


class LabelEncoder:
    """Encodes label names: one per row as an index (int), or a set per row as a sorted tuple of indices.

    Args:
        task: Its `labels`, where given, are the only names allowed, in their order.
        target: The target type.
        several: Whether a row may have any number of labels.
    """

    def __init__(self, task: Task, target: TargetType, several: bool = False) -> None:
        self._target, self._several = target, several
        self._given = tuple(task.labels) if task.labels else ()
        self._codes: dict[tuple[str, ...], int] = {}
        self._values = array("q")

    def add(self, raw: object) -> RowIssue | None:
        """Keep the label or labels of one row, or return what is wrong with them."""
        if raw is None or (isinstance(raw, float) and math.isnan(raw)):
            return _MISSING if raw is None else _NAN
        names = tuple(sorted({label_name(each) for each in raw})) if is_several(raw) else (label_name(raw),)
        for name in names:
            if name.lower() in MISSING_NAMES and name not in self._given:
                return _NAN if name.lower() == "nan" else _MISSING
            if self._given and name not in self._given:
                return unknown_label(name, self._given)
        if not self._several and len(names) != 1:
            message = f"has {len(names)} labels where the task wants one"
            return RowIssue("several_labels", message, "Use a task whose target type is multi.")
        self._values.append(self._codes.setdefault(names, len(self._codes)))
        return None

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        """Return the targets, and a complaint where all rows have the same one."""
        names = self._given or tuple(sorted({name for names in self._codes for name in names}, key=natural))
        index = {name: number for number, name in enumerate(names)}
        sets = [tuple(sorted(index[name] for name in each)) for each in self._codes]
        table: tuple[Target, ...] = tuple(sets) if self._several else tuple(number for (number,) in sets)
        values = np.frombuffer(self._values, dtype=np.int64)
        return Encoded(names, values, self._target, table), self._complaints()

    def _complaints(self) -> list[tuple[str, str]]:
        if len(self._codes) != 1:
            return []
        ((only,),) = [tuple(self._codes)]
        what = f"the label {only[0]!r}" if len(only) == 1 else f"the labels {only}" if only else "no label"
        return [
            (
                f"every example has {what}; there is nothing to tell apart.",
                "Add examples of a second label, or check which column holds the label.",
            )
        ]


class ValueEncoder:
    """Encodes numbers as they are, in float64."""

    def __init__(self, target: TargetType) -> None:
        self._target = target
        self._values = array("d")

    def add(self, raw: object) -> RowIssue | None:
        """Keep one number (or its text), or return what is wrong with it."""
        if raw is None or (isinstance(raw, str) and raw.strip().lower() in MISSING_NAMES - {"nan"}):
            return _MISSING
        try:
            value = float(raw)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return RowIssue(
                "label_not_a_number",
                f"the label {raw!r} is not a number",
                "A task whose target type is regression needs one.",
            )
        if not math.isfinite(value):
            return _NAN if math.isnan(value) else RowIssue("infinite_label", "the label is infinite")
        self._values.append(value)
        return None

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        """Return the values, and a complaint where all are equal."""
        values = np.frombuffer(self._values, dtype=np.float64)
        complaints = []
        if len(values) and (values == values[0]).all():
            complaints.append((f"every label is {values[0]:g}; there is nothing to learn.", "Check the label column."))
        return Encoded((), values, self._target), complaints


def unknown_label(name: str, given: Sequence[str]) -> RowIssue:
    """Return the issue of a label that `task.labels` does not name; the nearest name is offered."""
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
    """Return the name of a label that a source holds as text, number or truth value.

    `1.0` is `1`, and JSON's `true` is `true`.
    """
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    return str(raw).strip()


def natural(name: str) -> tuple[tuple[int, float, str], ...]:
    """Return a sort key that puts numbers in their order: `-1 0 2 10`, `class 2` before `class 10`."""
    try:
        value = float(name)
        if math.isfinite(value):
            return ((0, value, name),)
    except ValueError:
        pass
    parts = re.split(r"(\d+)", name)
    return tuple((0, float(part), part) if part.isdecimal() else (1, 0.0, part) for part in parts if part)
