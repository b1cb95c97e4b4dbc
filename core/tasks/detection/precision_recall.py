"""Precision and recall of a detector as its least score falls, of many resamples at once.

A resample gives every image a weight, the number of times that it was drawn. Only where a detection is right does
recall rise, and only there can precision be at its best: sums of weights up to those detections are all that the curves
need, [r] at once. Copies of an image lie beside each other, as if all were ranked together.

Source:
    Lin et al., Microsoft COCO (2014), and its evaluation code (`cocoeval.py`, `accumulate`): precision is made to fall
    monotonically, and its mean taken at 101 recalls, each at the first detection that reaches it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.tasks.detection.matching import Matches
    from core.tasks.targets.counts import Array

RECALLS: NDArray[np.float64] = torch.linspace(0, 1, 101).double().numpy()
"""0.00, 0.01, …, 1.00 as torchmetrics has them, to the last bit: a recall that is equal to one reaches it."""

BLOCK_CELLS = 2**22
"""Detections x resamples that are in memory at once: 16 MiB of weights."""


def precision_recall(found: Matches, counts: NDArray[np.int64], size: int = 0) -> tuple[Array, Array]:
    """Average precision and highest recall of each label, float64 [r, t, c] each; NaN for a label that is not there.

    Args:
        found: The matches of a split.
        counts: int64 [r, n], how often each image was drawn in each resample.
        size: Which range of sizes of `found`.
    """
    r, t, c = len(counts), found.hits.shape[1], found.truth.shape[2]
    there = counts @ found.truth[size]
    precision, recall = np.full((r, t, c), np.nan), np.full((r, t, c), np.nan)
    weights = np.ascontiguousarray(counts.T.astype(np.int32))
    for label in np.flatnonzero(found.truth[size].any(axis=0)):
        rows = np.flatnonzero((found.labels == label) & found.counts[size].any(axis=0))
        rows = rows[np.argsort(-found.scores[rows], kind="stable")]
        images, hits, kept = found.images[rows], found.hits[size][:, rows], found.counts[size][:, rows]
        step = max(1, BLOCK_CELLS // max(1, len(rows)))
        for start in range(0, r, step):
            block = slice(start, start + step)
            one = _label(weights[:, block][images], hits, kept, there[block, label])
            precision[block, :, label], recall[block, :, label] = one
    return precision, recall


def _label(
    weights: NDArray[np.int32], hits: NDArray[np.bool_], kept: NDArray[np.bool_], there: NDArray[np.int64]
) -> tuple[Array, Array]:
    """Average precision and highest recall of one label, float64 [r, t] each.

    Args:
        weights: int32 [m, r], of its detections, the surest first.
        hits: bool [t, m].
        kept: bool [t, m], which count.
        there: int64 [r], how many objects there are.
    """
    precision, recall = np.zeros((2, weights.shape[1], len(hits)))
    everything = None
    known: dict[bytes, int] = {}
    for row, (hit, counted) in enumerate(zip(hits, kept, strict=True)):
        same = known.setdefault(hit.tobytes() + counted.tobytes(), row)
        if same != row:
            precision[:, row], recall[:, row] = precision[:, same], recall[:, same]
        elif hit.any():
            if counted.all():
                everything = np.cumsum(weights, axis=0, dtype=np.int32) if everything is None else everything
                seen = everything[hit]
            else:
                seen = np.cumsum(weights[counted], axis=0, dtype=np.int32)[hit[counted]]
            precision[:, row], recall[:, row] = _curve(np.cumsum(weights[hit], axis=0, dtype=np.int32), seen, there)
    for each in (precision, recall):
        each[there == 0] = np.nan
    return precision, recall


def _curve(right: NDArray[np.int32], seen: NDArray[np.int32], there: NDArray[np.int64]) -> tuple[Array, Array]:
    """Average precision and highest recall, float64 [r] each.

    Args:
        right: int32 [h, r], how many are right up to each detection that is, the surest first.
        seen: int32 [h, r], how many there are up to it.
        there: int64 [r], how many objects there are.
    """
    precision = right / np.maximum(seen, 1)
    highest = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    recall = right / np.maximum(there, 1)
    reached = np.searchsorted(RECALLS, recall, side="right")
    steps = np.diff(reached, axis=0, prepend=0)
    return (highest * steps).sum(axis=0) / len(RECALLS), recall[-1]
