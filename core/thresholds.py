"""Where a probability becomes a decision: thresholds, chosen on validation, stored with the run.

Of several labels each has its own; a detector has one, from which an object counts as found. A label applies where its
probability is at least its threshold, compared in float64. The stored number is the number used: it is rounded before
it is chosen, never after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.kinds import BOXES, MULTI, MULTI_THRESHOLD, objects
from core.matching import match

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.contracts import Metric
    from core.kinds import Predictions, Targets

LEAST_POSITIVES = 5
"""A label that fewer validation examples bear keeps `MULTI_THRESHOLD`: so few say nothing of where to cut."""

FEW_OBJECTS = 0.25
"""The score from which an object counts as found where validation says nothing."""

KEY = "thresholds"
"""Where `report.json` holds them: a number a label, or one for all objects."""
ALL_OBJECTS = "objects"
"""The name that a detector's threshold is stored under."""


def choose(predictions: Predictions, targets: Targets) -> tuple[float, ...]:
    """The threshold of each label at which its F1 on this split is highest; of objects, the one for all of them.

    Candidates lie midway between neighbouring probabilities of a label, and between its lowest one and 0 (where the
    label applies to every example); of equally good ones, the nearest to `MULTI_THRESHOLD` is taken. A label with fewer
    than `LEAST_POSITIVES` positives, or without a negative, keeps `MULTI_THRESHOLD`.

    Args:
        predictions: float32 [n, c] probabilities, or object [n], a `Detections` each.
        targets: float32 [n, c], or object [n], a `Boxes` each.

    Source:
        Lipton, Elkan and Naryanaswamy, Optimal Thresholding of Classifiers to Maximize F1 Measure (2014,
        arXiv:1402.1892).
    """
    if predictions.dtype == object:
        return (_score(predictions, targets),)
    return tuple(_label(predictions[:, label], targets[:, label] >= 0.5) for label in range(predictions.shape[1]))


def _label(probabilities: NDArray[Any], applies: NDArray[np.bool_]) -> float:
    """The threshold of one label, from its probabilities [n] and where it applies [n]."""
    positives = int(applies.sum())
    if positives < LEAST_POSITIVES or positives == len(applies) or not np.isfinite(probabilities).all():
        return MULTI_THRESHOLD
    return _best(probabilities, applies, positives, MULTI_THRESHOLD)


def _score(predictions: Predictions, targets: Targets) -> float:
    """The score from which an object counts as found, over all labels together; an IoU of 0.5 makes it right."""
    matched = match(predictions, targets, 1 + max((label for each in targets for label in each.labels), default=0))
    there = int(matched.truth.sum())
    return _best(matched.scores, matched.hits, there, FEW_OBJECTS) if there and len(matched.scores) else FEW_OBJECTS


def _best(probabilities: NDArray[Any], applies: NDArray[np.bool_], positives: int, otherwise: float) -> float:
    """The threshold with the highest F1.

    Args:
        probabilities: [n].
        applies: bool [n].
        positives: How many there are to find.
        otherwise: The threshold where none is better than another; of equally good ones the nearest to it is taken.
    """
    order = np.argsort(-probabilities, kind="stable")
    upper = probabilities[order].astype(np.float64)
    lower = np.append(upper[1:], 0.0)
    ends = np.flatnonzero(upper > lower)  # equal probabilities are decided alike
    f1 = 2 * np.cumsum(applies[order])[ends] / (ends + 1 + positives)
    best = ends[f1 == f1.max(initial=0.0)]
    if not len(best) or not f1.any():  # every probability is 0, or nothing is right
        return otherwise
    middles = (upper[best] + lower[best]) / 2
    nearest = best[np.abs(middles - otherwise).argmin()]
    return _rounded(float(lower[nearest]), float(upper[nearest]))


def _rounded(low: float, high: float) -> float:
    """The middle of a gap in as few decimals as keep it in the gap's middle half."""
    middle = (low + high) / 2
    shorter = (round(middle, digits) for digits in (3, 4, 6, 9))
    return next((each for each in shorter if abs(each - middle) <= (high - low) / 4), middle)


def decide(predictions: Predictions, thresholds: Sequence[float]) -> Predictions:
    """Decisions in place of probabilities, float32 [n, c]: 1 where a label is chosen, else 0."""
    return (predictions >= np.asarray(thresholds, dtype=np.float64)).astype(np.float32)


def seen_by(metric: Metric, predictions: Predictions, thresholds: Sequence[float] | None) -> Predictions:
    """What a metric is given: decisions where it looks at nothing else and thresholds are known, else `predictions`."""
    if thresholds is None or not metric.decides:
        return predictions
    if predictions.dtype == object:
        return objects(each.surer_than(thresholds[0]) for each in predictions)
    return decide(predictions, thresholds)


def to_json(thresholds: Sequence[float] | None, labels: Sequence[str], target: str) -> dict[str, float] | None:
    """Thresholds by label, as they are stored."""
    return None if thresholds is None else dict(zip(_names(labels, target), thresholds, strict=True))


def from_json(stored: Mapping[str, Any] | None, labels: Sequence[str], target: str) -> tuple[float, ...] | None:
    """Thresholds in the order of the labels; None where nothing was stored."""
    return None if not stored else tuple(float(stored.get(name, MULTI_THRESHOLD)) for name in _names(labels, target))


def _names(labels: Sequence[str], target: str) -> Sequence[str]:
    return (ALL_OBJECTS,) if target == BOXES else labels


def of_report(report: Mapping[str, Any]) -> tuple[float, ...] | None:
    """The thresholds of a run, from its report; None where it has none: one half then decides."""
    target = report["config"]["task"]["target"]
    return from_json(report.get(KEY), report["data"]["labels"], target) if target in (MULTI, BOXES) else None
