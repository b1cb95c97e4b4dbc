"""Scores computed from the counts of each label's correct predictions, predictions and examples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import one_hot
from torchmetrics.classification import MulticlassConfusionMatrix

from core.tasks import DEFAULT_THRESHOLD, MULTI, divide, precision_recall_f1
from plugins.metrics.scorers.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Callable

    import torchmetrics
    from torch import Tensor

    from core.tasks import Array, Predictions, Targets


@dataclass(frozen=True)
class ConfusionTable:
    """The confusion matrix, [c, c]. It is not resampled, because a table has no interval.

    Attributes:
        n_labels: Number of labels, c.
    """

    n_labels: int

    def build(self) -> torchmetrics.Metric:
        """Return a new streaming metric."""
        return MulticlassConfusionMatrix(self.n_labels, validate_args=False)

    def resample(self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64]) -> Array:
        """NaN, [r]."""
        return np.full(len(counts), np.nan)


def averaged(of: str, average: str, n_labels: int, target: str) -> Sums:
    """Return precision, recall or F1 (`of`), averaged over labels."""
    return _counted(partial(_averaged, of=of, average=average), n_labels, target)


def from_counts(name: str, rows: Callable[..., Tensor], of: str, average: str, n_labels: int) -> Sums:
    """Return precision, recall or F1 of arbitrary counts.

    `rows` returns correct predictions, predictions and examples of each label, float64 [b, 3c].
    """
    score = partial(_averaged, of=of, average=average)
    return Sums(name, 3 * n_labels, rows, partial(_from_columns, score=score, n_labels=n_labels))


def balanced_accuracy(n_labels: int, target: str) -> Sums:
    """Return mean recall over the labels that occur."""
    return _counted(_balanced_accuracy, n_labels, target)


def mcc(n_labels: int, target: str) -> Sums:
    """Return the Matthews correlation coefficient for any number of labels."""
    return _counted(_mcc, n_labels, target)


def average_over_labels(values: Array, weights: Array) -> Array:
    """Return the weighted mean over the last axis; NaN if all weights are 0.

    Args:
        values: [..., c]; may be NaN if the weight is 0.
        weights: [..., c].
    """
    kept = np.where(weights > 0, values, 0.0)
    return divide((kept * weights).sum(axis=-1), weights.sum(axis=-1), empty=np.nan)


def _counted(score: Callable[[Array, Array, Array], Array], n_labels: int, target: str) -> Sums:
    """Return a score computed from (hits, predicted, support), each [..., c]."""
    rows = partial(_label_rows, n_labels=n_labels, target=target)
    return Sums("label_counts", 3 * n_labels, rows, partial(_from_columns, score=score, n_labels=n_labels))


def _from_columns(sums: Array, score: Callable[[Array, Array, Array], Array], n_labels: int) -> Array:
    hits, predicted, support = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, n_labels), -2, 0)
    return score(hits, predicted, support)


def _label_rows(predictions: Tensor, targets: Tensor, n_labels: int, target: str) -> Tensor:
    """Return three columns per label, float64 [b, 3c]: correctly predicted, predicted, applies."""
    if target == MULTI:
        chosen, wanted = predictions >= DEFAULT_THRESHOLD, targets >= 0.5
    else:
        chosen = one_hot(predictions.argmax(dim=1), n_labels).bool()
        wanted = one_hot(targets, n_labels).bool()
    return torch.cat([chosen & wanted, chosen, wanted], dim=1).double()


def _averaged(hits: Array, predicted: Array, support: Array, of: str, average: str) -> Array:
    """Return the average without labels that neither occur nor are predicted, as in scikit-learn."""
    if average == "micro":
        hits, predicted, support = (each.sum(axis=-1, keepdims=True) for each in (hits, predicted, support))
    values = dict(zip(("precision", "recall", "f1"), precision_recall_f1(hits, predicted, support), strict=True))[of]
    if average == "none":
        return values
    weights = support if average == "weighted" else (predicted + support > 0).astype(np.float64)
    return average_over_labels(values, weights)


def _balanced_accuracy(hits: Array, predicted: Array, support: Array) -> Array:
    """Brodersen et al., The balanced accuracy and its posterior distribution (2010)."""
    return average_over_labels(divide(hits, support), (support > 0).astype(np.float64))


def _mcc(hits: Array, predicted: Array, support: Array) -> Array:
    """Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient (2004)."""
    n = support.sum(axis=-1)
    covariance = hits.sum(axis=-1) * n - (predicted * support).sum(axis=-1)
    variances = [n**2 - (each**2).sum(axis=-1) for each in (predicted, support)]
    return np.where(n > 0, divide(covariance, np.sqrt(variances[0]) * np.sqrt(variances[1])), np.nan)
