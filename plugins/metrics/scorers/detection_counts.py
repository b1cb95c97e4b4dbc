"""Precision, recall and F1 of objects, from counts of correct detections, detections and objects per label."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from core.tasks import match
from plugins.metrics.scorers.label_counts import from_counts

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks import Boxes, Detections
    from plugins.metrics.scorers.sums import Sums


def averaged(of: str, average: str, n_labels: int) -> Sums:
    """Return precision, recall or F1 (`of`) of objects, averaged over labels."""
    return from_counts("object_counts", partial(_rows, n_labels=n_labels), of, average, n_labels)


def _rows(predictions: Sequence[Detections], targets: Sequence[Boxes], n_labels: int) -> Tensor:
    """Return three columns per label, float64 [b, 3c]: correct detections, detections, objects."""
    matched = match(predictions, targets, n_labels)
    cells = matched.images * n_labels + matched.labels
    size = len(targets) * n_labels
    columns = [np.bincount(each, minlength=size) for each in (cells[matched.hits], cells)]
    rows = np.concatenate([*(each.reshape(-1, n_labels) for each in columns), matched.truth], axis=1)
    return torch.from_numpy(rows.astype(np.float64))
