"""Counts of right and wrong answers: precision, recall and F1 of each label, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.curves import precision_recall
from core.kinds import BOXES, MULTI, MULTI_THRESHOLD
from core.matching import COCO_IOUS, COCO_SIZES, match, match_at

if TYPE_CHECKING:
    from core.kinds import Predictions, Targets

Array: TypeAlias = NDArray[np.float64]


def divide(above: Array, below: Array, empty: float = 0.0) -> Array:
    """`above / below`, elementwise and without warnings; `empty` where `below` is 0."""
    above, below = np.broadcast_arrays(above, below)
    quotient = np.full(above.shape, empty)
    np.divide(above, below, out=quotient, where=below != 0)
    return quotient


def precision_recall_f1(hits: Array, predicted: Array, support: Array) -> tuple[Array, Array, Array]:
    """Precision, recall and F1 from counts, each [..., c]; 0 where a ratio has nothing to divide by.

    Args:
        hits: How often each label was predicted and right, [..., c].
        predicted: How often each label was predicted, [..., c].
        support: How often each label applies, [..., c].

    Source:
        van Rijsbergen, Information Retrieval (2nd ed., 1979), chapter 7.
    """
    return divide(hits, predicted), divide(hits, support), divide(2 * hits, predicted + support)


def per_class(
    predictions: Predictions,
    targets: Targets,
    labels: Sequence[str],
    target: str,
    thresholds: Sequence[float] | None = None,
) -> list[dict[str, Any]]:
    """One row a label: `label`, `precision`, `recall`, `f1` and `support`; and `threshold`, where each label has one.

    Of boxes also `ap50` and `ap50_95`, the average precision over all scores; None for a label that is not there.

    Args:
        predictions: float32 [n, c] probabilities, or object [n], a `Detections` each.
        targets: int64 [n] (`single`), float32 [n, c] (`multi`) or object [n], a `Boxes` each (`boxes`).
        labels: Label names.
        target: `single`, `multi` or `boxes`.
        thresholds: Of `multi`: the probability from which each label applies (None: `MULTI_THRESHOLD`); of `boxes`:
            the score from which an object counts as found.
    """
    hits: Any
    predicted: Any
    support: Any
    if target == BOXES:
        hits, predicted, support = _objects(predictions, targets, len(labels), thresholds)
    elif target == MULTI:
        limits = np.full(len(labels), MULTI_THRESHOLD) if thresholds is None else np.asarray(thresholds, np.float64)
        chosen, wanted = predictions >= limits, targets >= 0.5
        hits, predicted, support = (each.sum(axis=0) for each in (chosen & wanted, chosen, wanted))
    else:
        matrix = _matrix(predictions, targets, len(labels))
        hits, predicted, support = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    scores = np.stack(precision_recall_f1(hits, predicted, support), axis=1)
    rows: list[dict[str, Any]] = [
        {"label": label, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for label, (p, r, f), n in zip(labels, scores, support, strict=True)
    ]
    if target == BOXES:
        columns = zip(rows, *_average_precision(predictions, targets, len(labels)), strict=True)
        rows = [row | {"ap50": ap50, "ap50_95": ap} for row, ap50, ap in columns]
    if thresholds is not None and target == MULTI:
        rows = [row | {"threshold": float(limit)} for row, limit in zip(rows, thresholds, strict=True)]
    return rows


def _objects(
    predictions: Predictions, targets: Targets, n_labels: int, thresholds: Sequence[float] | None
) -> tuple[Array, Array, Array]:
    """Objects found and there, found, and there: [c] each."""
    least = 0.0 if thresholds is None else thresholds[0]
    matched = match([each.surer_than(least) for each in predictions], targets, n_labels)
    hits = np.bincount(matched.labels[matched.hits], minlength=n_labels).astype(np.float64)
    predicted = np.bincount(matched.labels, minlength=n_labels).astype(np.float64)
    return hits, predicted, matched.truth.sum(axis=0).astype(np.float64)


def _average_precision(
    predictions: Predictions, targets: Targets, n_labels: int
) -> tuple[list[float | None], list[float | None]]:
    """Average precision of each label at an IoU of 0.5, and its mean over 0.5 to 0.95; see `core.curves`."""
    found = match_at(predictions, targets, n_labels, COCO_IOUS, (COCO_SIZES["all"],))
    curves = precision_recall(found, np.ones((1, len(targets)), dtype=np.int64))[0][0]
    ap50, ap = ([float(each) if np.isfinite(each) else None for each in of] for of in (curves[0], curves.mean(axis=0)))
    return ap50, ap


def confusion(predictions: Predictions, targets: Targets, labels: Sequence[str]) -> list[list[int]]:
    """The confusion matrix of a `single` target, [c][c]: rows are true labels, columns predicted ones.

    Args:
        predictions: float32 [n, c] probabilities.
        targets: int64 [n].
        labels: Label names.
    """
    matrix: list[list[int]] = _matrix(predictions, targets, len(labels)).tolist()
    return matrix


def _matrix(predictions: Predictions, targets: Targets, n_labels: int) -> NDArray[np.int64]:
    cells = targets.astype(np.int64) * n_labels + predictions.argmax(axis=1)
    return np.bincount(cells, minlength=n_labels * n_labels).reshape(n_labels, n_labels)
