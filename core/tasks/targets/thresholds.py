"""Thresholds that turn probabilities into decisions: chosen on the validation split and stored with the run.

A label applies where its probability is at least its threshold, compared in float64. The threshold is rounded before
it is chosen, so the stored number is exactly the number used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.tasks.targets.target import DEFAULT_THRESHOLD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.tasks.targets.target import Predictions, Targets

FEWEST_POSITIVES = 5
"""Smallest number of validation examples with a label from which its threshold is chosen."""


def label_thresholds(predictions: Predictions, targets: Targets) -> tuple[float, ...]:
    """Return the threshold of each label at which its F1 on this split is highest.

    Candidates lie midway between neighboring probabilities of a label, and between its lowest one and 0 (the label then
    applies to every example). Among equally good candidates, the nearest to `DEFAULT_THRESHOLD` wins. A label with
    fewer than `FEWEST_POSITIVES` positives, or without a negative, keeps `DEFAULT_THRESHOLD`.

    Args:
        predictions: float32 [n, c] probabilities.
        targets: float32 [n, c].

    Source:
        Lipton, Elkan and Naryanaswamy, Optimal Thresholding of Classifiers to Maximize F1 Measure (2014,
        arXiv:1402.1892).
    """
    return tuple(_label(predictions[:, label], targets[:, label] >= 0.5) for label in range(predictions.shape[1]))


def _label(probabilities: NDArray[Any], applies: NDArray[np.bool_]) -> float:
    """Return the threshold of one label, from its probabilities [n] and where it applies [n]."""
    positives = int(applies.sum())
    if positives < FEWEST_POSITIVES or positives == len(applies) or not np.isfinite(probabilities).all():
        return DEFAULT_THRESHOLD
    return best_threshold(probabilities, applies, positives, DEFAULT_THRESHOLD)


def decide(predictions: Predictions, thresholds: Sequence[float]) -> Predictions:
    """Return decisions in place of probabilities, float32 [n, c]: 1 where a label is chosen, else 0."""
    return (predictions >= np.asarray(thresholds, dtype=np.float64)).astype(np.float32)


def best_threshold(probabilities: NDArray[Any], applies: NDArray[np.bool_], positives: int, otherwise: float) -> float:
    """Return the threshold with the highest F1.

    Args:
        probabilities: [n].
        applies: bool [n].
        positives: Number of positives in all.
        otherwise: The threshold to return if no candidate is better than another. Among equally good candidates, the
            nearest to it wins.
    """
    order = np.argsort(-probabilities, kind="stable")
    upper = probabilities[order].astype(np.float64)
    lower = np.append(upper[1:], 0.0)
    ends = np.flatnonzero(upper > lower)  # equal probabilities get the same decision
    f1 = 2 * np.cumsum(applies[order])[ends] / (ends + 1 + positives)
    best = ends[f1 == f1.max(initial=0.0)]
    if not len(best) or not f1.any():  # every probability is 0, or no prediction is correct
        return otherwise
    middles = (upper[best] + lower[best]) / 2
    nearest = best[np.abs(middles - otherwise).argmin()]
    return _rounded(float(lower[nearest]), float(upper[nearest]))


def _rounded(low: float, high: float) -> float:
    """Return the middle of a gap, with as few decimals as keep it in the middle half of the gap."""
    middle = (low + high) / 2
    shorter = (round(middle, digits) for digits in (3, 4, 6, 9))
    return next((each for each in shorter if abs(each - middle) <= (high - low) / 4), middle)
