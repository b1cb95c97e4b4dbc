"""Scores based on ranks: ROC-AUC, average precision and Spearman, for all resamples with one sort.

A resample gives every example a weight, the number of times it was drawn. Cumulative sums of weights in the order of
the predictions, [r, n], replace ranks. Equal predictions share one rank.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.tasks import MULTI, divide
from plugins.metrics.scorers.label_counts import average_over_labels
from plugins.metrics.scorers.records import Records

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.tasks import Array, Predictions, Targets


def roc_auc(average: str, target: str) -> Records:
    """Return the area under the ROC curve of each label against the rest."""
    return Records(partial(_one_against_rest, of=_roc_auc, average=average, target=target))


def average_precision(average: str, target: str) -> Records:
    """Return the area under the steps of the precision-recall curve of each label against the rest."""
    return Records(partial(_one_against_rest, of=_average_precision, average=average, target=target))


def spearman() -> Records:
    """Return the correlation of ranks."""
    return Records(_spearman)


def _one_against_rest(
    predictions: Predictions,
    targets: Targets,
    counts: Array,
    of: Callable[[Array, NDArray[np.bool_], Array], Array],
    average: str,
    target: str,
) -> Array:
    """Return scores [r], or a table [r, c]. Averages leave out labels that no or every example has."""
    applies = targets >= 0.5 if target == MULTI else targets[:, None] == np.arange(predictions.shape[1])
    if target != MULTI and predictions.shape[1] == 2 and average != "none":
        predictions, applies = predictions[:, 1:], applies[:, 1:]
    values = np.stack([of(p, a, counts) for p, a in zip(predictions.T, applies.T, strict=True)], axis=1)
    if average == "none":
        return values
    weights = counts @ applies if average == "weighted" else np.ones_like(values)
    return average_over_labels(values, np.where(np.isnan(values), 0.0, weights))


def _roc_auc(scores: Array, applies: NDArray[np.bool_], counts: Array) -> Array:
    """Return the share of (positive, negative) pairs in the right order, counting ties half (Hanley, McNeil 1982)."""
    order, first, last = _places(scores)
    counts, applies = counts[:, order], applies[order]
    below = _cumulative(counts * ~applies)
    positive = counts[:, applies]
    pairs = (positive * (below[:, first[applies]] + below[:, last[applies]])).sum(axis=1) / 2
    return divide(pairs, positive.sum(axis=1) * below[:, -1], empty=np.nan)


def _average_precision(scores: Array, applies: NDArray[np.bool_], counts: Array) -> Array:
    """Return the mean, over positives, of the precision among examples with at least the same score."""
    order, _, last = _places(-scores)
    counts, applies = counts[:, order], applies[order]
    positive, upto = counts[:, applies], last[applies]
    precision = divide(_cumulative(counts * applies)[:, upto], _cumulative(counts)[:, upto])
    return divide((positive * precision).sum(axis=1), positive.sum(axis=1), empty=np.nan)


def _spearman(predictions: Predictions, targets: Targets, counts: Array) -> Array:
    """Return Pearson's correlation of ranks; equal values share their mean rank (Spearman 1904)."""
    middle = counts.sum(axis=1, keepdims=True) / 2
    x, y = (_middle_places(each, counts) - middle for each in (predictions, targets))
    spread = np.sqrt((counts * x**2).sum(axis=1)) * np.sqrt((counts * y**2).sum(axis=1))
    return divide((counts * x * y).sum(axis=1), spread, empty=np.nan)


def _middle_places(values: Array | Predictions | Targets, counts: Array) -> Array:
    """Return the mean rank, minus one half, of each example in each resample: [r, n]."""
    order, first, last = _places(values)
    below = _cumulative(counts[:, order])
    places = np.empty_like(counts)
    places[:, order] = (below[:, first] + below[:, last]) / 2
    return places


def _places(
    values: Array | Predictions | Targets,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the ascending order, and for each position the number of smaller and of smaller or equal values."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    return order, np.searchsorted(ordered, ordered, "left"), np.searchsorted(ordered, ordered, "right")


def _cumulative(weights: Array) -> Array:
    """Return sums of the first 0, 1, ..., n columns: [r, n + 1]."""
    sums = np.zeros((len(weights), weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums
