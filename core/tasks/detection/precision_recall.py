"""Precision and recall of a detector at falling scores, for many bootstrap resamples at once.

A resample gives every image a weight: the number of times that it was drawn. Recall rises only at a correct detection,
and precision peaks only there. So the curves need only sums of weights up to those detections, [r] at once. Copies of
an image are neighbors, as if all detections were ranked together.

Source:
    Lin et al., Microsoft COCO (2014), and its evaluation code (`cocoeval.py`, `accumulate`): precision is made
    monotonically falling, then averaged over 101 recalls, each at the first detection that reaches it.
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
"""0.00, 0.01, …, 1.00, equal to those of torchmetrics to the last bit, because equal recalls count as reached."""

BLOCK_CELLS = 2**22
"""Largest number of detections × resamples in memory at once: 16 MiB of weights."""


def precision_recall(found: Matches, counts: NDArray[np.int64], size: int = 0) -> tuple[Array, Array]:
    """Return average precision and highest recall by label, float64 [r, t, c] each; NaN for a label without objects.

    Args:
        found: The matches of a split.
        counts: int64 [r, n], how often each image was drawn in each resample.
        size: The index of the range of sizes in `found`.
    """
    r, t, c = len(counts), found.hits.shape[1], found.truth.shape[2]
    true = counts @ found.truth[size]
    precision, recall = np.full((r, t, c), np.nan), np.full((r, t, c), np.nan)
    weights = np.ascontiguousarray(counts.T.astype(np.int32))
    for label in np.flatnonzero(found.truth[size].any(axis=0)):
        rows = np.flatnonzero((found.labels == label) & found.counts[size].any(axis=0))
        rows = rows[np.argsort(-found.scores[rows], kind="stable")]
        images, hits, kept = found.images[rows], found.hits[size][:, rows], found.counts[size][:, rows]
        step = max(1, BLOCK_CELLS // max(1, len(rows)))
        for start in range(0, r, step):
            block = slice(start, start + step)
            one = _label(weights[:, block][images], hits, kept, true[block, label])
            precision[block, :, label], recall[block, :, label] = one
    return precision, recall


def _label(
    weights: NDArray[np.int32], hits: NDArray[np.bool_], kept: NDArray[np.bool_], true: NDArray[np.int64]
) -> tuple[Array, Array]:
    """Return average precision and highest recall of one label, float64 [r, t] each.

    Args:
        weights: int32 [m, r], the weight of each detection of the label, the most confident first.
        hits: bool [t, m], whether each detection is correct.
        kept: bool [t, m], whether each detection counts.
        true: int64 [r], the number of objects.
    """
    precision, recall = np.zeros((2, weights.shape[1], len(hits)))
    cumulated = None
    known: dict[bytes, int] = {}
    for row, (hit, counted) in enumerate(zip(hits, kept, strict=True)):
        same = known.setdefault(hit.tobytes() + counted.tobytes(), row)
        if same != row:
            precision[:, row], recall[:, row] = precision[:, same], recall[:, same]
        elif hit.any():
            if counted.all():
                cumulated = np.cumsum(weights, axis=0, dtype=np.int32) if cumulated is None else cumulated
                seen = cumulated[hit]
            else:
                seen = np.cumsum(weights[counted], axis=0, dtype=np.int32)[hit[counted]]
            precision[:, row], recall[:, row] = _curve(np.cumsum(weights[hit], axis=0, dtype=np.int32), seen, true)
    for each in (precision, recall):
        each[true == 0] = np.nan
    return precision, recall


def _curve(correct: NDArray[np.int32], seen: NDArray[np.int32], true: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return average precision and highest recall, float64 [r] each.

    Args:
        correct: int32 [h, r], the number of correct detections up to each correct one, the most confident first.
        seen: int32 [h, r], the number of detections up to it.
        true: int64 [r], the number of objects.
    """
    precision = correct / np.maximum(seen, 1)
    highest = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
    recall = correct / np.maximum(true, 1)
    reached = np.searchsorted(RECALLS, recall, side="right")
    steps = np.diff(reached, axis=0, prepend=0)
    return (highest * steps).sum(axis=0) / len(RECALLS), recall[-1]
