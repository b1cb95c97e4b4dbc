"""Precision, recall and F1 from counts, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.tasks.targets.target import Predictions, Targets

Array: TypeAlias = NDArray[np.float64]


def divide(above: Array, below: Array, empty: float = 0.0) -> Array:
    """Return `above / below`, elementwise and without warnings; `empty` where `below` is 0."""
    above, below = np.broadcast_arrays(above, below)
    quotient = np.full(above.shape, empty)
    np.divide(above, below, out=quotient, where=below != 0)
    return quotient


def precision_recall_f1(hits: Array, predicted: Array, support: Array) -> tuple[Array, Array, Array]:
    """Return precision, recall and F1 from counts, each [..., c]; 0 where the denominator is 0.

    Args:
        hits: Number of correct predictions of each label, [..., c].
        predicted: Number of predictions of each label, [..., c].
        support: Number of examples with each label, [..., c].

    Source:
        van Rijsbergen, Information Retrieval (2nd ed., 1979), chapter 7.
    """
    return divide(hits, predicted), divide(hits, support), divide(2 * hits, predicted + support)


def class_rows(labels: Sequence[str], hits: Any, predicted: Any, support: Any) -> list[dict[str, Any]]:
    """Return one row per label: `label`, `precision`, `recall`, `f1` and `support`.

    Args:
        labels: Label names.
        hits, predicted, support: As `precision_recall_f1` takes them, [c] each.
    """
    scores = np.stack(precision_recall_f1(hits, predicted, support), axis=1)
    return [
        {"label": label, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for label, (p, r, f), n in zip(labels, scores, support, strict=True)
    ]


def confusion_matrix(predictions: Predictions, targets: Targets, n_labels: int) -> NDArray[np.int64]:
    """Return the confusion matrix, int64 [c, c]: rows are true labels, columns are predicted labels.

    Args:
        predictions: float32 [n, c] probabilities.
        targets: int64 [n].
        n_labels: Number of labels, c.
    """
    cells = targets.astype(np.int64) * n_labels + predictions.argmax(axis=1)
    return np.bincount(cells, minlength=n_labels * n_labels).reshape(n_labels, n_labels)
