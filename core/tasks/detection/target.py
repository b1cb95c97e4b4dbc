"""The target type of objects in images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.tasks.detection.boxes import Boxes, Detections
from core.tasks.targets.encoded import Encoder, Target, objects
from core.tasks.targets.target import ResultTable, TargetType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.tasks.targets.target import Predictions, Targets
    from core.tasks.task import Task

BOXES = "boxes"

DEFAULT_SCORE = 0.25
"""The smallest score of a detection that counts, if the validation split cannot choose one."""

ALL_OBJECTS = "objects"
"""The name under which the one threshold of a detector is stored."""


@dataclass
class BoxesTarget(TargetType):
    """Objects in an image, each with a box and a label.

    A target is a `Boxes`, which is empty for an image without objects. Targets: object [n], one `Boxes` per image.
    Predictions: object [n], one `Detections` per image. One threshold, a score, decides which detections count.
    """

    name: ClassVar[str] = BOXES
    fewest_labels: ClassVar[int] = 1
    needs_every_label: ClassVar[bool] = False  # an image without objects of a label is a negative example
    objects: ClassVar[bool] = True
    has_thresholds: ClassVar[bool] = True

    def encoder(self, task: Task) -> Encoder:
        """Return an encoder of sequences of `NamedBox`; None stands for an image without annotations."""
        from core.tasks.detection.encoding import BoxEncoder

        return BoxEncoder(task, self)

    def stack(self, targets: Sequence[Target], labels: Sequence[str]) -> Targets:
        """Return the objects of each image, object [n]."""
        return objects(targets)

    def labels_of(self, target: Target) -> tuple[int, ...]:
        """Return the indices of the labels of the objects."""
        return tuple(sorted(set(target.labels)))

    def write_target(self, target: Target, labels: Sequence[str], example: Any = None) -> list[dict[str, Any]]:
        """Return the objects: label, box, and `crowd` if a box stands for many objects."""
        crowd = target.crowd or (False,) * len(target)
        return [
            {"label": labels[label], "box": list(corners)} | ({"crowd": True} if many else {})
            for label, corners, many in zip(target.labels, target.corners, crowd, strict=True)
        ]

    def strata(self, targets: Sequence[Target]) -> NDArray[np.int64]:
        """Return the rarest label in each image, int64 [n]; images without objects form one stratum."""
        import numpy as np

        present = [tuple(set(each.labels)) for each in targets]
        counts: dict[int, int] = {}
        for labels in present:
            for label in labels:
                counts[label] = counts.get(label, 0) + 1
        rarest = [min(labels, key=lambda label: (counts[label], label)) if labels else -1 for labels in present]
        return np.asarray(rarest, dtype=np.int64)

    def choose_thresholds(self, predictions: Predictions, targets: Targets) -> tuple[float, ...]:
        """Return the score with the highest F1 over all labels together; a detection is correct from an IoU of 0.5."""
        from core.tasks.detection.matching import match
        from core.tasks.targets.thresholds import best_threshold

        matched = match(predictions, targets, 1 + max((label for each in targets for label in each.labels), default=0))
        true = int(matched.truth.sum())
        if not true or not len(matched.scores):
            return (DEFAULT_SCORE,)
        return (best_threshold(matched.scores, matched.hits, true, DEFAULT_SCORE),)

    def threshold_names(self, labels: Sequence[str]) -> Sequence[str]:
        """Return the name of the one threshold."""
        return (ALL_OBJECTS,)

    def describe_thresholds(self, thresholds: Sequence[float]) -> str:
        """Return a sentence with the score."""
        return f"threshold: detections count from a score of {thresholds[0]:.3g}, chosen on validation"

    def decide(self, predictions: Predictions, thresholds: Sequence[float]) -> Predictions:
        """Return the detections whose score reaches the threshold."""
        return objects(each.at_least(thresholds[0]) for each in predictions)

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
        from core.tasks.targets.probabilities import PER_CLASS_TITLE

        n_labels = len(labels)
        matched = match(predictions if thresholds is None else self.decide(predictions, thresholds), targets, n_labels)
        hits = np.bincount(matched.labels[matched.hits], minlength=n_labels).astype(np.float64)
        predicted = np.bincount(matched.labels, minlength=n_labels).astype(np.float64)
        rows = class_rows(labels, hits, predicted, matched.truth.sum(axis=0).astype(np.float64))
        columns = zip(rows, *_average_precision(predictions, targets, n_labels), strict=True)
        title = PER_CLASS_TITLE
        if thresholds:
            title += f"; detections count from a score of {thresholds[0]:.3g}"
        return {"per_class": ResultTable([row | {"ap50": ap50, "ap50_95": ap} for row, ap50, ap in columns], title)}

    def write(
        self,
        prediction: Any,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
        example: Any = None,
    ) -> dict[str, Any]:
        """Return the detections, most confident first: label, score, and box as x1, y1, x2, y2 in pixels."""
        kept = prediction if thresholds is None else prediction.at_least(thresholds[0])
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
        """Return the columns of a CSV with one row per detection."""
        return ("image", "label", "score", "x1", "y1", "x2", "y2")

    def rows(self, line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield one row per detection."""
        rest = {key: value for key, value in line.items() if key != "objects"}
        for each in line["objects"]:
            place = dict(zip(("x1", "y1", "x2", "y2"), each["box"], strict=True))
            yield {**rest, "label": each["label"], "score": each["score"], **place}

    def difference(self, one: Predictions, other: Predictions) -> float:
        """Return the largest difference of scores and of corners (as a share of 100 pixels).

        Each detection is compared with the nearest one of its label, because rounding can swap two detections with
        almost equal scores. Infinite if the numbers of detections or their labels differ.
        """
        from core.tasks.detection.matching import largest_gap

        return max((largest_gap(a, b) for a, b in zip(one, other, strict=True)), default=0.0)

    def samples(self, count: int, labels: Sequence[str]) -> list[Target]:
        """Return objects of all sizes and labels, some of them crowds; every fifth image is empty."""
        from core.tasks.detection.samples import sample_boxes

        return list(sample_boxes(count, len(labels)))

    def sample_predictions(
        self, targets: Targets, labels: Sequence[str], seed: int, perfect: bool = False
    ) -> Predictions:
        """Return detections with random errors and scores, or a detection for every object."""
        from core.tasks.detection.samples import imperfect_detections, perfect_detections

        return perfect_detections(targets) if perfect else imperfect_detections(targets, len(labels), seed)

    def same_decisions(self, predictions: Predictions, labels: Sequence[str], seed: int) -> Predictions:
        """Return the same detections with other scores."""
        from core.tasks.detection.samples import with_random_scores

        return with_random_scores(predictions, seed)

    def target_problem(self, target: Target, labels: Sequence[str], example: Any = None) -> str:
        """Return what is wrong with the objects of an image."""
        if not isinstance(target, Boxes):
            return "must be a `Boxes`, an empty one if the image shows no object"
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
            return f"must give one Detections for each of {n} images; it gives {predictions.dtype} {shape}."
        return next((problem for each in predictions if (problem := _detections_problem(each, len(labels)))), "")


def _average_precision(
    predictions: Predictions, targets: Targets, n_labels: int
) -> tuple[list[float | None], list[float | None]]:
    """Return the average precision of each label at an IoU of 0.5, and its mean over 0.5 to 0.95."""
    import numpy as np

    from core.tasks.detection.matching import COCO_IOUS, COCO_SIZES, match_at
    from core.tasks.detection.precision_recall import precision_recall

    matches = match_at(predictions, targets, n_labels, COCO_IOUS, (COCO_SIZES["all"],))
    curves = precision_recall(matches, np.ones((1, len(targets)), dtype=np.int64))[0][0]
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
