"""Mean average precision and recall by COCO's rules, computed once for all metrics of a split.

The value comes from torchmetrics and faster-coco-eval. The interval comes from `core.tasks.match_at` and
`core.tasks.precision_recall`, which follow the same rules: every image is matched once, and a resample only reweights
the matches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torchmetrics
from numpy.typing import NDArray
from torchmetrics.detection import MeanAveragePrecision
from torchmetrics.utilities import dim_zero_cat

from core.tasks import (
    COCO_SIZES,
    MAX_PER_LABEL,
    Detections,
    Matches,
    divide,
    match_at,
    most_confident,
    precision_recall,
)

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks import Array, Boxes, Predictions, Targets

KEPT = 4
"""Number of remembered splits: validation and test, each with and without intervals."""
_PLACES = {"50-95": slice(None), "50": slice(0, 1), "75": slice(5, 6)}
_SIZES = tuple(COCO_SIZES)


@dataclass
class SplitScorer:
    """Computes each value of one split once, for all metrics.

    Attributes:
        n_labels: Number of labels, c.
    """

    n_labels: int
    _values: tuple[Array, Array] | None = None
    _matches: Matches | None = None
    _resampled: dict[tuple[bytes, int], tuple[Array, Array]] = field(default_factory=dict)

    def values(self, records: NDArray[np.float32]) -> tuple[Array, Array]:
        """Return average precision and maximum recall of the split's records, float64 [a, t, c] each."""
        if self._values is None:
            self._values = _evaluate(records, self.n_labels)
        return self._values

    def resampled(
        self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64], size: int
    ) -> tuple[Array, Array]:
        """Return mean average precision and mean recall of each resample, float64 [r, t] each.

        Args:
            predictions: The split's predictions.
            targets: The split's targets.
            counts: int64 [r, n], how often each image was drawn in each resample.
            size: Index of the range of object sizes.
        """
        if self._matches is None:
            self._matches = match_at(predictions, targets, self.n_labels)
        key = (_digest(counts.tobytes()), size)
        if key not in self._resampled:
            precision, recall = precision_recall(self._matches, counts, size)
            while len(self._resampled) >= KEPT * len(_SIZES):
                self._resampled.pop(next(iter(self._resampled)))
            self._resampled[key] = _mean(precision), _mean(recall)
        return self._resampled[key]


_recent: dict[bytes, SplitScorer] = {}
"""Scorers of the last few splits, through which separately built metrics share results."""


def scorer_of(records: NDArray[np.float32], n_labels: int) -> SplitScorer:
    """Return the scorer of the split with these records; the oldest beyond `KEPT` scorers is dropped."""
    key = _digest(records.tobytes(), n_labels)
    if key not in _recent:
        while len(_recent) >= KEPT:
            _recent.pop(next(iter(_recent)))
        _recent[key] = SplitScorer(n_labels)
    return _recent[key]


@dataclass(frozen=True)
class Curves:
    """One score from the precision-recall curves.

    Attributes:
        recall: Whether it is the maximum recall; if not, the average precision.
        iou: The minimum overlap: `50-95`, `50` or `75`.
        area: The range of object sizes.
        by_label: Whether it is a table [c]; if not, the mean over labels.
        n_labels: Number of labels, c.
    """

    recall: bool
    iou: str
    area: str
    by_label: bool
    n_labels: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return (self.n_labels,) if self.by_label else ()

    def build(self) -> CurveMetric:
        """Return a streaming metric that keeps boxes."""
        return CurveMetric(self)

    def value(self, records: NDArray[np.float32]) -> Array:
        """Return the score, float64 [] or [c], of concatenated records from `to_record`."""
        curves = scorer_of(records, self.n_labels).values(records)
        values = curves[self.recall][_SIZES.index(self.area), _PLACES[self.iou]].mean(axis=0)
        return values if self.by_label else np.asarray(_mean(values))

    def resample(self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64]) -> Array:
        """Return the score of each resample, [r]; NaN for a table, [r, c]."""
        if self.by_label:
            return np.full((len(counts), self.n_labels), np.nan)
        records = np.concatenate([_NOTHING, *map(to_record, predictions, targets)])
        scorer = scorer_of(records, self.n_labels)
        curves = scorer.resampled(predictions, targets, counts, _SIZES.index(self.area))
        scores: Array = curves[self.recall][:, _PLACES[self.iou]].mean(axis=1)
        return scores


def precision(iou: str, area: str, by_label: bool, n_labels: int) -> Curves:
    """Return mean average precision."""
    return Curves(False, iou, area, by_label, n_labels)


def recall(iou: str, area: str, n_labels: int) -> Curves:
    """Return mean average recall."""
    return Curves(True, iou, area, False, n_labels)


class CurveMetric(torchmetrics.Metric):  # type: ignore[misc]
    """Streams `Curves`: keeps one flat float32 record per image, concatenated over processes."""

    full_state_update = False

    def __init__(self, curves: Curves) -> None:
        super().__init__()
        self.what = curves
        self.add_state("boxes", [], dist_reduce_fx="cat")

    def _wrap_compute(self, compute: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Return `compute` with its result's shape restored: torchmetrics turns a table of one label into a number."""
        wrapped: Callable[[], Tensor] = super()._wrap_compute(compute)
        return lambda: wrapped().reshape(self.what.shape)

    def update(self, predictions: Sequence[Detections], targets: Sequence[Boxes]) -> None:
        """Add a batch."""
        rows = np.concatenate([_NOTHING, *map(to_record, predictions, targets)])
        self.boxes.append(torch.from_numpy(rows).to(self.device))

    def compute(self) -> Tensor:
        """Return the score so far, float64, 0-d or a table [c]; NaN if undefined."""
        records = dim_zero_cat(self.boxes).cpu().numpy() if len(self.boxes) else _NOTHING
        return torch.as_tensor(self.what.value(records))


_NOTHING = np.zeros(0, dtype=np.float32)


def to_record(found: Detections, truth: Boxes) -> NDArray[np.float32]:
    """Return an image's record, float32: two counts, then six numbers for each detection and for each object.

    A detection has corners, score and label. An object has corners, label and whether it is a crowd. Labels and counts
    are integers below 2²⁴, which float32 holds exactly.
    """
    if len(found) > MAX_PER_LABEL:
        kept = np.sort(most_confident(found, MAX_PER_LABEL))
        found = Detections(found.corners[kept], found.scores[kept], found.labels[kept])
    corners, labels, crowd = truth.arrays()
    columns = (found.corners, found.scores[:, None], found.labels[:, None])
    rows = (
        np.concatenate([np.asarray(each, dtype=np.float32) for each in columns], axis=1),
        np.concatenate([corners, labels[:, None], crowd[:, None]], axis=1, dtype=np.float32),
    )
    return np.concatenate([np.asarray([len(found), len(truth)], dtype=np.float32), *(each.ravel() for each in rows)])


def _images(records: NDArray[np.float32]) -> Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield each image's detections, float32 [k, 6], and objects, float32 [k, 6]."""
    place = 0
    while place < len(records):
        found, there = records[place : place + 2].astype(np.int64)
        middle, end = place + 2 + 6 * found, place + 2 + 6 * (found + there)
        yield records[place + 2 : middle].reshape(-1, 6), records[middle:end].reshape(-1, 6)
        place = end


def _evaluate(records: NDArray[np.float32], n_labels: int) -> tuple[Array, Array]:
    """Return average precision and maximum recall, float64 [a, t, c] each; NaN without objects of that size."""
    nothing = np.full((len(_SIZES), 10, n_labels), np.nan)
    metric: Any = MeanAveragePrecision(backend="faster_coco_eval", extended_summary=True)
    metric.warn_on_many_detections = False
    metric.distributed_available_fn = lambda: False  # the records are already those of all processes
    images = [tuple(map(torch.from_numpy, pair)) for pair in _images(records)]
    if all(bool(there[:, 5].all()) for _, there in images):  # no objects, or only crowds
        return nothing, nothing
    metric.update(
        [{"boxes": found[:, :4], "scores": found[:, 4], "labels": found[:, 5].long()} for found, _ in images],
        [{"boxes": at[:, :4], "labels": at[:, 4].long(), "iscrowd": at[:, 5].long()} for _, at in images],
    )
    found = metric.compute()
    labels = found["classes"].reshape(-1).numpy()
    tables = nothing.copy(), nothing.copy()
    # precision [t, 101, c, a, 3] and recall [t, c, a, 3]; the last of the three is for 100 detections; -1 is undefined.
    values = found["precision"][..., -1].mean(dim=1), found["recall"][..., -1]
    for table, value in zip(tables, values, strict=True):
        table[..., labels] = np.where(value >= 0, value, np.nan).transpose(2, 0, 1)
    return tables


def _mean(values: Array) -> Array:
    """Return the mean over the last axis without NaN values; NaN if there are no others."""
    defined = ~np.isnan(values)
    return divide(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1), empty=np.nan)


def _digest(content: bytes, number: int = 0) -> bytes:
    return blake2b(content, digest_size=16, salt=number.to_bytes(8, "little")).digest()
