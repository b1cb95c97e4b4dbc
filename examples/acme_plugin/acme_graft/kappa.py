"""Quadratic weighted kappa: torchmetrics streams it, and confusion matrices give its bootstrap resamples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torchmetrics
from numpy.typing import NDArray
from torchmetrics.classification import MulticlassCohenKappa

if TYPE_CHECKING:
    from core.tasks import Predictions, Targets


def build(n_labels: int) -> torchmetrics.Metric:
    """Return a new streaming metric."""
    return MulticlassCohenKappa(n_labels, weights="quadratic", validate_args=False)


def resample(predictions: Predictions, targets: Targets, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return kappa of each resample, float64 [r]; NaN where both sides contain only one label.

    Args:
        predictions: Probabilities [n, c].
        targets: int64 [n].
        counts: How often each example was drawn in each resample, int64 [r, n].
    """
    n, c = predictions.shape
    cell = np.zeros((n, c * c))  # one row per example: its cell in the confusion matrix
    cell[np.arange(n), targets.astype(np.int64) * c + predictions.argmax(axis=1)] = 1.0
    seen = (counts.astype(np.float64) @ cell).reshape(len(counts), c, c)
    by_chance = seen.sum(axis=2)[:, :, None] * seen.sum(axis=1)[:, None, :] / seen.sum(axis=(1, 2))[:, None, None]
    cost = np.subtract.outer(np.arange(c), np.arange(c)) ** 2.0
    with np.errstate(invalid="ignore"):
        scores: NDArray[np.float64] = 1.0 - (seen * cost).sum(axis=(1, 2)) / (by_chance * cost).sum(axis=(1, 2))
    return scores
