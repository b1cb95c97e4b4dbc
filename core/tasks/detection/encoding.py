"""Encode the objects of images."""

from __future__ import annotations

from array import array

import numpy as np

from core.issues import RowIssue
from core.tasks.detection.boxes import Boxes, NamedBox
from core.tasks.targets.encoded import Encoded, Target
from core.tasks.targets.encoding import is_several, natural, unknown_label
from core.tasks.targets.target import TargetType
from core.tasks.task import Task

_NOT_LABELED = RowIssue(
    "not_labelled", "the image has no annotations", "Annotate it (as empty, if it shows no object), or remove it."
)


class BoxEncoder:
    """Encodes the objects of images: sequences of `NamedBox`."""

    def __init__(self, task: Task, target: TargetType) -> None:
        self._target = target
        self._given = tuple(task.labels) if task.labels else ()
        self._codes: dict[tuple[NamedBox, ...], int] = {}
        self._values = array("q")

    def add(self, raw: object) -> RowIssue | None:
        """Encode the objects of one image, or return why they cannot be used."""
        if raw is None:
            return _NOT_LABELED
        assert is_several(raw)
        boxes = tuple(each for each in raw if isinstance(each, NamedBox))
        assert len(boxes) == len(raw)
        for box in boxes:
            if self._given and box.label not in self._given:
                return unknown_label(box.label, self._given)
        self._values.append(self._codes.setdefault(boxes, len(self._codes)))
        return None

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        """Return the targets, and a problem if no image has an object."""
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
        problem = ("no image has an object, so there is nothing to learn.", "Check the path of the annotations.")
        problems = [] if any(self._codes) else [problem]
        return Encoded(names, np.frombuffer(self._values, dtype=np.int64), self._target, table), problems
