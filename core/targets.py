"""Raw labels, as they stand in a source, turned into label names and compact targets."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from core.contracts import Task
from core.errors import nearest
from core.kinds import BOXES, MULTI, REGRESSION, Boxes, Kind, NamedBox, Target
from core.splits import Fault

MISSING_NAMES = frozenset({"", "nan", "<na>", "null"})
"""What a missing label looks like when it is written as text, in lower case."""

_MISSING = Fault("missing_label", "the label is missing", "Give the row a label, or remove it.")
_NOT_LABELLED = Fault(
    "not_labelled", "the image has no annotations", "Annotate it (as empty, where it shows no object), or remove it."
)
_NAN = Fault("nan_label", "the label is NaN (not a number)", "Give the row a label, or remove it.")


@dataclass(frozen=True)
class Encoded:
    """The targets of all rows.

    Attributes:
        labels: Label names in the order of their indices; empty for regression.
        values: int64 [n] positions in `table`, or float64 [n] values for regression.
        table: Every distinct target; empty for regression.
    """

    labels: tuple[str, ...]
    values: NDArray[Any]
    table: tuple[Target, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    @property
    def boxes(self) -> bool:
        """Whether targets are the objects of images."""
        return any(isinstance(each, Boxes) for each in self.table[:1])

    def __getitem__(self, index: int) -> Target:
        return self.table[self.values[index]] if self.table else float(self.values[index])

    def take(self, index: slice | NDArray[Any]) -> Encoded:
        """The targets of some rows."""
        return Encoded(self.labels, self.values[index], self.table)

    def strata(self, kind: Kind, target: str) -> NDArray[np.int64]:
        """The stratum of each row, int64 [n]; a stratum is a function of the target alone."""
        if not self.table:
            return kind.strata(self.values, target)  # type: ignore[arg-type]
        strata: NDArray[np.int64] = kind.strata(self.table, target)[self.values]
        return strata

    def counts(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        """How many of `rows` bear each label: int64 [c]."""
        found = np.bincount(self.values[rows], minlength=len(self.table))
        counts = np.zeros(len(self.labels), dtype=np.int64)
        for number in np.flatnonzero(found):
            counts[list(_indices(self.table[number]))] += found[number]
        return counts

    def bearing(self, labels: Sequence[int]) -> NDArray[np.bool_]:
        """Which rows bear one of `labels`: bool [n]."""
        wanted = set(labels)
        bears: NDArray[np.bool_] = np.asarray([bool(wanted & set(_indices(each))) for each in self.table])
        found: NDArray[np.bool_] = bears[self.values]
        return found


def _indices(target: Target) -> tuple[int, ...]:
    if isinstance(target, tuple):
        return target
    if isinstance(target, Boxes):
        return tuple(sorted(set(target.labels)))
    assert isinstance(target, int)
    return (target,)


class Encoder(Protocol):
    """Takes raw labels one by one, then knows them all."""

    def add(self, raw: object) -> Fault | None:
        """Keep one label, or say why it cannot be used (and keep nothing)."""
        ...

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        """The targets, and what makes them unusable as a whole (message, cure)."""
        ...


def encoder(task: Task) -> Encoder:
    """The encoder for a task's target."""
    if task.target == BOXES:
        return _Boxes(task)
    return _Values() if task.target == REGRESSION else _Names(task)


class _Names:
    """Targets that are label names: one a row, or a set."""

    def __init__(self, task: Task) -> None:
        self._multi = task.target == MULTI
        self._given = tuple(task.labels) if task.labels else ()
        self._codes: dict[tuple[str, ...], int] = {}
        self._values = array("q")

    def add(self, raw: object) -> Fault | None:
        if raw is None or (isinstance(raw, float) and math.isnan(raw)):
            return _MISSING if raw is None else _NAN
        names = tuple(sorted({label_name(each) for each in raw})) if _several(raw) else (label_name(raw),)
        for name in names:
            if name.lower() in MISSING_NAMES and name not in self._given:
                return _NAN if name.lower() == "nan" else _MISSING
            if self._given and name not in self._given:
                return _unknown(name, self._given)
        if not self._multi and len(names) != 1:
            message = f"has {len(names)} labels where the task wants one"
            return Fault("several_labels", message, "Use a task whose target is multi.")
        self._values.append(self._codes.setdefault(names, len(self._codes)))
        return None

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        names = self._given or tuple(sorted({name for names in self._codes for name in names}, key=natural))
        index = {name: number for number, name in enumerate(names)}
        sets = [tuple(sorted(index[name] for name in each)) for each in self._codes]
        table: tuple[Target, ...] = tuple(sets) if self._multi else tuple(number for (number,) in sets)
        return Encoded(names, np.frombuffer(self._values, dtype=np.int64), table), self._complaints(names)

    def _complaints(self, names: tuple[str, ...]) -> list[tuple[str, str]]:
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


class _Boxes:
    """Targets that are the objects of an image: a sequence of `NamedBox`, or None where nobody has looked."""

    def __init__(self, task: Task) -> None:
        self._given = tuple(task.labels) if task.labels else ()
        self._codes: dict[tuple[NamedBox, ...], int] = {}
        self._values = array("q")

    def add(self, raw: object) -> Fault | None:
        if raw is None:
            return _NOT_LABELLED
        assert _several(raw)
        boxes = tuple(each for each in raw if isinstance(each, NamedBox))
        assert len(boxes) == len(raw)
        for box in boxes:
            if self._given and box.label not in self._given:
                return _unknown(box.label, self._given)
        self._values.append(self._codes.setdefault(boxes, len(self._codes)))
        return None

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        names = self._given or tuple(sorted({box.label for boxes in self._codes for box in boxes}, key=natural))
        index = {name: number for number, name in enumerate(names)}
        table: tuple[Target, ...] = tuple(
            Boxes(
                tuple(box.corners for box in boxes),
                tuple(index[box.label] for box in boxes),
                tuple(box.crowd for box in boxes) if any(box.crowd for box in boxes) else (),
            )
            for boxes in self._codes
        )
        nothing = not any(self._codes)
        cure = "Check where the annotations are looked for."
        complaints = [("no image has an object; there is nothing to find.", cure)] if nothing else []
        return Encoded(names, np.frombuffer(self._values, dtype=np.int64), table), complaints


class _Values:
    """Targets that are numbers."""

    def __init__(self) -> None:
        self._values = array("d")

    def add(self, raw: object) -> Fault | None:
        if raw is None or (isinstance(raw, str) and raw.strip().lower() in MISSING_NAMES - {"nan"}):
            return _MISSING
        try:
            value = float(raw)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return Fault(
                "label_not_a_number",
                f"the label {raw!r} is not a number",
                "A task whose target is regression needs one.",
            )
        if not math.isfinite(value):
            return _NAN if math.isnan(value) else Fault("infinite_label", "the label is infinite")
        self._values.append(value)
        return None

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        values = np.frombuffer(self._values, dtype=np.float64)
        complaints = []
        if len(values) and (values == values[0]).all():
            complaints.append((f"every label is {values[0]:g}; there is nothing to learn.", "Check the label column."))
        return Encoded((), values), complaints


def _unknown(name: str, given: Sequence[str]) -> Fault:
    close = nearest(name, given)
    return Fault(
        "unknown_label",
        f"the label {name!r} is not one of task.labels",
        f"{f'Did you mean {close!r}? ' if close else ''}Add it to task.labels, or correct the row.",
    )


def _several(raw: object) -> TypeGuard[Sequence[object]]:
    return isinstance(raw, Sequence) and not isinstance(raw, str)


def label_name(raw: object) -> str:
    """The name of a label that a source holds as text, number or truth value: `1.0` is `1`, JSON's `true` is `true`."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    return str(raw).strip()


def natural(name: str) -> tuple[tuple[int, float, str], ...]:
    """A sort key that puts numbers in their order: `-1 0 2 10`, `class 2` before `class 10`."""
    try:
        value = float(name)
        if math.isfinite(value):
            return ((0, value, name),)
    except ValueError:
        pass
    parts = re.split(r"(\d+)", name)
    return tuple((0, float(part), part) if part.isdecimal() else (1, 0.0, part) for part in parts if part)
