"""The target type of objects in images."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.issues import RowIssue
from core.tasks.detection.boxes import Boxes, Detections, NamedBox
from core.tasks.targets.target import Encoded, Encoder, ResultTable, Target, TargetType, objects

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.tasks.targets.target import Predictions, Targets
    from core.tasks.task import Task

BOXES = "boxes"

DEFAULT_SCORE = 0.25
"""The score from which a detection counts where the validation split does not decide it."""

ALL_OBJECTS = "objects"
"""The name under which the one threshold of a detector is stored."""

_NOT_LABELLED = RowIssue(
    "not_labelled", "the image has no annotations", "Annotate it (as empty, where it shows no object), or remove it."
)


@dataclass
class BoxesTarget(TargetType):
    """Objects in an image, each with a box and a label.

    A target is a `Boxes`; an image without objects has an empty one. Targets: object [n], one `Boxes` each.
    Predictions: object [n], one `Detections` each. One threshold, a score, decides which detections count.
    """

    name: ClassVar[str] = BOXES
    fewest_labels: ClassVar[int] = 1
    needs_every_label: ClassVar[bool] = False  # an image without a label's objects still teaches where there are none
    objects: ClassVar[bool] = True
    has_thresholds: ClassVar[bool] = True

    def encoder(self, task: Task) -> Encoder:
        """Return an encoder of sequences of `NamedBox`; None means that nobody has looked at the image."""
        return BoxEncoder(task, self)

    def stack(self, targets: Sequence[Target], labels: Sequence[str]) -> Targets:
        """Return the objects of each image, object [n]."""
        return objects(targets)

    def labels_of(self, target: Target) -> tuple[int, ...]:
        """Return the indices of the labels of the objects."""
        return tuple(sorted(set(target.labels)))

    def write_target(self, target: Target, labels: Sequence[str]) -> list[dict[str, Any]]:
        """Return the objects: label, box, and `crowd` where a box stands for many objects."""
        crowd = target.crowd or (False,) * len(target)
        return [
            {"label": labels[label], "box": list(corners)} | ({"crowd": True} if many else {})
            for label, corners, many in zip(target.labels, target.corners, crowd, strict=True)
        ]

    def strata(self, targets: Sequence[Target]) -> NDArray[np.int64]:
        """Return the rarest label in each image, int64 [n]; images without objects are a stratum of their own."""
        import numpy as np

        present = [tuple(set(each.labels)) for each in targets]
        counts: dict[int, int] = {}
        for labels in present:
            for label in labels:
                counts[label] = counts.get(label, 0) + 1
        rarest = [min(labels, key=lambda label: (counts[label], label)) if labels else -1 for labels in present]
        return np.asarray(rarest, dtype=np.int64)

    def choose_thresholds(self, predictions: Predictions, targets: Targets) -> tuple[float, ...]:
        """Choose the score with the highest F1 over all labels together; an IoU of 0.5 makes a detection right."""
        from core.tasks.detection.matching import match
        from core.tasks.targets.thresholds import best_threshold

        matched = match(predictions, targets, 1 + max((label for each in targets for label in each.labels), default=0))
        there = int(matched.truth.sum())
        if not there or not len(matched.scores):
            return (DEFAULT_SCORE,)
        return (best_threshold(matched.scores, matched.hits, there, DEFAULT_SCORE),)

    def threshold_names(self, labels: Sequence[str]) -> Sequence[str]:
        """Return the one name."""
        return (ALL_OBJECTS,)

    def describe_thresholds(self, thresholds: Sequence[float]) -> str:
        """Return the score."""
        return f"threshold: objects count as found from a score of {thresholds[0]:.3g}, chosen on validation"

    def decide(self, predictions: Predictions, thresholds: Sequence[float]) -> Predictions:
        """Return the detections whose score reaches the threshold."""
        return objects(each.surer_than(thresholds[0]) for each in predictions)

    def tables(
        self,
        predictions: Predictions,
        targets: Targets,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> dict[str, ResultTable]:
        """Return precision, recall and F1 by class at the threshold, and the average precision over all scores.

        `ap50` is at an IoU of 0.5, and `ap50_95` is the mean over 0.5 to 0.95; None for a label without objects.
        """
        import numpy as np

        from core.tasks.detection.matching import match
        from core.tasks.targets.counts import class_rows
        from core.tasks.targets.labels import PER_CLASS_TITLE

        n_labels = len(labels)
        matched = match(predictions if thresholds is None else self.decide(predictions, thresholds), targets, n_labels)
        hits = np.bincount(matched.labels[matched.hits], minlength=n_labels).astype(np.float64)
        predicted = np.bincount(matched.labels, minlength=n_labels).astype(np.float64)
        rows = class_rows(labels, hits, predicted, matched.truth.sum(axis=0).astype(np.float64))
        columns = zip(rows, *_average_precision(predictions, targets, n_labels), strict=True)
        title = PER_CLASS_TITLE
        if thresholds:
            title += f"; objects count as found from a score of {thresholds[0]:.3g}"
        return {"per_class": ResultTable([row | {"ap50": ap50, "ap50_95": ap} for row, ap50, ap in columns], title)}

    def write(
        self,
        prediction: Any,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
        example: Any = None,
    ) -> dict[str, Any]:
        """Return the objects found, most confident first: label, score, and box as x1, y1, x2, y2 in pixels."""
        kept = prediction if thresholds is None else prediction.surer_than(thresholds[0])
        rows = zip(kept.labels, kept.scores, kept.corners, strict=True)
        return {
            "objects": [
                {
                    "label": labels[int(label)],
                    "score": round(float(score), 6),
                    "box": [round(float(value), 2) for value in corners],
                }
                for label, score, corners in rows
            ]
        }

    def columns(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Return the columns of a CSV with one row per object."""
        return ("image", "label", "score", "x1", "y1", "x2", "y2")

    def rows(self, line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield a row for each object of an image."""
        rest = {key: value for key, value in line.items() if key != "objects"}
        for each in line["objects"]:
            place = dict(zip(("x1", "y1", "x2", "y2"), each["box"], strict=True))
            yield {**rest, "label": each["label"], "score": each["score"], **place}

    def difference(self, one: Predictions, other: Predictions) -> float:
        """Return the largest difference of scores and of corners (as a share of 100 pixels).

        Infinite where a different number of objects, or different labels, are found.
        """
        import numpy as np

        gap = 0.0
        for a, b in zip(one, other, strict=True):
            if len(a) != len(b) or (np.sort(a.labels) != np.sort(b.labels)).any():
                return math.inf
            gap = max(gap, float(np.abs(a.scores - b.scores).max(initial=0.0)))
            gap = max(gap, float(np.abs(a.corners - b.corners).max(initial=0.0)) / 100)
        return gap

    def samples(self, count: int, labels: Sequence[str]) -> list[Target]:
        """Return objects of all sizes and labels; every fifth image is empty, and there are crowds."""
        from core.tasks.detection.samples import sample_boxes

        return list(sample_boxes(count, len(labels)))

    def sample_predictions(
        self, targets: Targets, labels: Sequence[str], seed: int, perfect: bool = False
    ) -> Predictions:
        """Return detections with random errors and scores, or every object."""
        from core.tasks.detection.samples import exact_boxes, found_boxes

        return exact_boxes(targets) if perfect else found_boxes(targets, len(labels), seed)

    def same_decisions(self, predictions: Predictions, labels: Sequence[str], seed: int) -> Predictions:
        """Return the same detections with other scores."""
        from core.tasks.detection.samples import rescored

        return rescored(predictions, seed)

    def target_problem(self, target: Target, labels: Sequence[str], example: Any = None) -> str:
        """Return what is wrong with the objects of an image."""
        if not isinstance(target, Boxes):
            return "must be `Boxes` (without any where the image shows no object)"
        if len(target.corners) != len(target.labels) or len(target.crowd) not in (0, len(target.labels)):
            return "must have as many corners as labels, and as many crowd flags or none"
        if not all(isinstance(each, int) and 0 <= each < len(labels) for each in target.labels):
            return f"must have the indices (int) of {len(labels)} labels"
        size = getattr(example, "size", (0, 0))
        width, height = size if size != (0, 0) else (math.inf, math.inf)
        for x1, y1, x2, y2 in target.corners:
            if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):  # false for NaN too
                return "must have boxes x1, y1, x2, y2 in pixels with a width and a height, within the image"
        return ""

    def problem(self, predictions: Predictions, n: int, labels: Sequence[str]) -> str:
        """Return what is wrong with the detections of n images."""
        if predictions.shape != (n,) or not all(isinstance(each, Detections) for each in predictions):
            shape = list(predictions.shape)
            return f"must give a Detections for each of {n} images; it gives {predictions.dtype} {shape}."
        return next((found for each in predictions if (found := _detections_problem(each, len(labels)))), "")


class BoxEncoder:
    """Encodes the objects of images: sequences of `NamedBox`."""

    def __init__(self, task: Task, target: TargetType) -> None:
        self._target = target
        self._given = tuple(task.labels) if task.labels else ()
        self._codes: dict[tuple[NamedBox, ...], int] = {}
        self._values = array("q")

    def add(self, raw: object) -> RowIssue | None:
        """Keep the objects of one image, or return what is wrong with them."""
        from core.tasks.targets.encoding import is_several, unknown_label

        if raw is None:
            return _NOT_LABELLED
        assert is_several(raw)
        boxes = tuple(each for each in raw if isinstance(each, NamedBox))
        assert len(boxes) == len(raw)
        for box in boxes:
            if self._given and box.label not in self._given:
                return unknown_label(box.label, self._given)
        self._values.append(self._codes.setdefault(boxes, len(self._codes)))
        return None

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        """Return the targets, and a complaint where no image has an object."""
        import numpy as np

        from core.tasks.targets.encoding import natural

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
        return Encoded(names, np.frombuffer(self._values, dtype=np.int64), self._target, table), complaints


def _average_precision(
    predictions: Predictions, targets: Targets, n_labels: int
) -> tuple[list[float | None], list[float | None]]:
    """Return the average precision of each label at an IoU of 0.5, and its mean over 0.5 to 0.95."""
    import numpy as np

    from core.tasks.detection.matching import COCO_IOUS, COCO_SIZES, match_at
    from core.tasks.detection.precision_recall import precision_recall

    found = match_at(predictions, targets, n_labels, COCO_IOUS, (COCO_SIZES["all"],))
    curves = precision_recall(found, np.ones((1, len(targets)), dtype=np.int64))[0][0]
    ap50, ap = ([float(each) if np.isfinite(each) else None for each in of] for of in (curves[0], curves.mean(axis=0)))
    return ap50, ap


def _detections_problem(found: Detections, n_labels: int) -> str:
    """Return what is wrong with the detections of one image."""
    import numpy as np

    k = len(found)
    parts = (("corners", (k, 4), "float32"), ("scores", (k,), "float32"), ("labels", (k,), "int64"))
    for name, shape, dtype in parts:
        array = getattr(found, name)
        if array.shape != shape or array.dtype != dtype:
            return f"must give {name} as {dtype} {list(shape)}; it gives {array.dtype} {list(array.shape)}."
    if not (np.isfinite(found.corners).all() and np.isfinite(found.scores).all()):
        return "gives values that are not finite."
    if (found.scores < 0).any() or (found.scores > 1).any():
        return "must give scores from 0 to 1."
    if (np.diff(found.scores) > 0).any():
        return "must give the most confident detections first."
    if (found.labels < 0).any() or (found.labels >= n_labels).any():
        return f"must give labels from 0 to {n_labels - 1}."
    if (found.corners[:, 2:] < found.corners[:, :2]).any():
        return "must give corners as x1, y1, x2, y2 with x1 <= x2 and y1 <= y2."
    return ""
