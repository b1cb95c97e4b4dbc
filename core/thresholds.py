"""Where a probability becomes a decision: a threshold for each label, chosen on validation, stored with the run.

A label applies where its probability is at least its threshold, compared in float64. The stored number is the number
used: it is rounded before it is chosen, never after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.kinds import MULTI, MULTI_THRESHOLD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.contracts import Metric
    from core.kinds import Predictions, Targets

LEAST_POSITIVES = 5
"""A label that fewer validation examples bear keeps `MULTI_THRESHOLD`: so few say nothing of where to cut."""

KEY = "thresholds"
"""Where `report.json` holds them: a number a label."""


def choose(predictions: Predictions, targets: Targets) -> tuple[float, ...]:
    """The threshold of each label at which its F1 on this split is highest.

    Candidates lie midway between neighbouring probabilities of a label, and between its lowest one and 0 (where the
    label applies to every example); of equally good ones, the nearest to `MULTI_THRESHOLD` is taken. A label with fewer
    than `LEAST_POSITIVES` positives, or without a negative, keeps `MULTI_THRESHOLD`.

    Args:
        predictions: float32 [n, c] probabilities.
        targets: float32 [n, c].

    Source:
        Lipton, Elkan and Naryanaswamy, Optimal Thresholding of Classifiers to Maximize F1 Measure (2014,
        arXiv:1402.1892).
    """
    return tuple(_best(predictions[:, label], targets[:, label] >= 0.5) for label in range(predictions.shape[1]))


def _best(probabilities: NDArray[np.float32], applies: NDArray[np.bool_]) -> float:
    """The threshold of one label, from its probabilities [n] and where it applies [n]."""
    positives = int(applies.sum())
    if positives < LEAST_POSITIVES or positives == len(applies) or not np.isfinite(probabilities).all():
        return MULTI_THRESHOLD
    order = np.argsort(-probabilities, kind="stable")
    upper = probabilities[order].astype(np.float64)
    lower = np.append(upper[1:], 0.0)
    ends = np.flatnonzero(upper > lower)  # equal probabilities are decided alike
    f1 = 2 * np.cumsum(applies[order])[ends] / (ends + 1 + positives)
    best = ends[f1 == f1.max(initial=0.0)]
    if not len(best):  # every probability is 0
        return MULTI_THRESHOLD
    middles = (upper[best] + lower[best]) / 2
    nearest = best[np.abs(middles - MULTI_THRESHOLD).argmin()]
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
    return predictions if thresholds is None or not metric.decides else decide(predictions, thresholds)


def to_json(thresholds: Sequence[float] | None, labels: Sequence[str]) -> dict[str, float] | None:
    """Thresholds by label, as they are stored."""
    return None if thresholds is None else dict(zip(labels, thresholds, strict=True))


def from_json(stored: Mapping[str, Any] | None, labels: Sequence[str]) -> tuple[float, ...] | None:
    """Thresholds in the order of the labels; None where nothing was stored."""
    return None if not stored else tuple(float(stored.get(label, MULTI_THRESHOLD)) for label in labels)


def of_report(report: Mapping[str, Any]) -> tuple[float, ...] | None:
    """The thresholds of a run, from its report; None where it has none: one half then decides."""
    if report["config"]["task"]["target"] != MULTI:
        return None
    return from_json(report.get(KEY), report["data"]["labels"])
