"""Match detections with objects, as COCO does.

Each label is matched separately, the most confident detection first. A detection takes the free object with the largest
overlap, if this reaches the IoU. A detection that overlaps only a crowd counts neither as correct nor as wrong. If only
objects of some sizes count, the same holds for a detection that overlaps only an object of another size, or that
overlaps nothing and has another size itself.

Source:
    Lin et al., Microsoft COCO (2014), and its evaluation code (`cocoeval.py`).

Shapes, besides those of `core.tasks`:

    m   detections of a split        t   IoU thresholds        a   ranges of sizes
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.tasks.detection.boxes import Boxes, Detections

IOU = 0.5
"""The default overlap from which a detection is correct."""

COCO_IOUS: tuple[float, ...] = tuple(float(each) for each in np.linspace(0.5, 0.95, 10, dtype=np.float32))
"""0.50, 0.55, …, 0.95 in float32, as in torchmetrics."""

COCO_SIZES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""The smallest and the largest area of each size, in pixels of the stored image; both ends are included."""

MAX_PER_LABEL = 100
"""Number of detections per label and image that COCO evaluates, the most confident ones."""

_BELOW_ONE = 1 - 1e-10  # boxes that are equal except for rounding still reach an IoU threshold of 1


@dataclass(frozen=True)
class Matched:
    """The detections of a split that count, and whether they are correct, without crowds.

    Attributes:
        scores: float32 [m].
        labels: int64 [m].
        hits: bool [m], whether each detection is correct.
        images: int64 [m], the image of each detection.
        truth: int64 [n, c], the number of objects of each label in each image.
    """

    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    hits: NDArray[np.bool_]
    images: NDArray[np.int64]
    truth: NDArray[np.int64]


@dataclass(frozen=True)
class Matches:
    """The detections of a split and whether they are correct, for several IoU thresholds and ranges of sizes.

    Attributes:
        scores: float32 [m], of all detections, image by image.
        labels: int64 [m].
        images: int64 [m], the image of each detection.
        hits: bool [a, t, m], whether each detection is correct.
        counts: bool [a, t, m], whether each detection counts as correct or wrong.
        truth: int64 [a, n, c], the number of objects of each label in each image.
    """

    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    images: NDArray[np.int64]
    hits: NDArray[np.bool_]
    counts: NDArray[np.bool_]
    truth: NDArray[np.int64]


def match(predictions: Iterable[Detections], targets: Iterable[Boxes], n_labels: int, iou: float = IOU) -> Matched:
    """Return the matches of all detections with objects of all sizes.

    Args:
        predictions: The detections of each image.
        targets: The objects of each image.
        n_labels: Number of labels, c.
        iou: The IoU threshold.
    """
    every = match_at(predictions, targets, n_labels, (iou,), (COCO_SIZES["all"],), None)
    kept = every.counts[0, 0]
    return Matched(every.scores[kept], every.labels[kept], every.hits[0, 0, kept], every.images[kept], every.truth[0])


def match_at(
    predictions: Iterable[Detections],
    targets: Iterable[Boxes],
    n_labels: int,
    ious: Sequence[float] = COCO_IOUS,
    sizes: Sequence[tuple[float, float]] = tuple(COCO_SIZES.values()),
    limit: int | None = MAX_PER_LABEL,
) -> Matches:
    """Return the matches of detections with objects, for each IoU threshold and each range of sizes.

    Args:
        predictions: The detections of each image.
        targets: The objects of each image.
        n_labels: Number of labels, c.
        ious: The IoU thresholds, [t].
        sizes: The smallest and the largest area of each range, [a].
        limit: Number of detections per label and image that count, the most confident ones; None for all.
    """
    scores, labels, images, truth = [], [], [], []
    hits = [np.zeros((len(sizes), len(ious), 0), dtype=bool)]
    counts = list(hits)
    for image, (found, objects) in enumerate(zip(predictions, targets, strict=True)):
        corners, of_objects, crowd = objects.arrays()
        ignored = crowd | outside(corners, sizes)
        hit, counted = match_image(found, corners, of_objects, crowd, ignored, ious, sizes, limit)
        scores.append(found.scores)
        labels.append(found.labels)
        images.append(np.full(len(found), image, dtype=np.int64))
        hits.append(hit)
        counts.append(counted)
        truth.append([np.bincount(of_objects[~each], minlength=n_labels) for each in ignored])
    return Matches(
        np.concatenate([np.zeros(0, dtype=np.float32), *scores]),
        np.concatenate([np.zeros(0, dtype=np.int64), *labels]),
        np.concatenate([np.zeros(0, dtype=np.int64), *images]),
        np.concatenate(hits, axis=2),
        np.concatenate(counts, axis=2),
        np.asarray(truth, dtype=np.int64).reshape(-1, len(sizes), n_labels).swapaxes(0, 1),
    )


def match_image(
    found: Detections,
    corners: NDArray[np.float32],
    labels: NDArray[np.int64],
    crowd: NDArray[np.bool_],
    ignored: NDArray[np.bool_],
    ious: Sequence[float],
    sizes: Sequence[tuple[float, float]],
    limit: int | None = MAX_PER_LABEL,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return whether each detection of an image is correct, and whether it counts: bool [a, t, len(found)] each.

    Args:
        found: The detections, in any order.
        corners: float32 [k, 4], of the objects.
        labels: int64 [k], of the objects.
        crowd: bool [k], whether each object is a crowd.
        ignored: bool [a, k], crowds and objects of other sizes.
        ious: The IoU thresholds, [t].
        sizes: The smallest and the largest area of each range, [a].
        limit: Number of detections per label that count, the most confident ones; None for all.
    """
    hit = np.zeros((len(sizes), len(ious), len(found)), dtype=bool)
    neither = hit.copy()
    candidates = most_confident(found, limit)
    overlap = overlaps(found.corners, corners, crowd)
    overlap[found.labels[:, None] != labels[None, :]] = -1.0
    limits = np.minimum(ious, _BELOW_ONE)
    free = np.ones((len(sizes), len(ious), len(labels)), dtype=bool)
    reach = overlap.max(axis=1, initial=-1.0) >= limits.min()
    for row in candidates[reach[candidates]]:
        near = (overlap[row] >= limits[:, None]) & (free | crowd)
        # An object that counts comes first; only without one does the detection take a crowd or another size.
        for eligible, outcome in ((near & ~ignored[:, None], hit), (near & ignored[:, None], neither)):
            # Among equal overlaps COCO takes the last object.
            best = len(labels) - 1 - np.where(eligible, overlap[row], -1.0)[..., ::-1].argmax(axis=-1)
            taken = eligible.any(axis=-1) & ~hit[..., row]
            outcome[..., row] |= taken
            where = np.nonzero(taken)
            free[(*where, best[where])] = False
    beyond = np.ones(len(found), dtype=bool)
    beyond[candidates] = False
    neither |= ~hit & (outside(found.corners, sizes)[:, None] | beyond)
    return hit, ~neither


def most_confident(found: Detections, limit: int | None) -> NDArray[np.intp]:
    """Return the indices of each label's `limit` most confident detections (None for all), the most confident first."""
    order = np.argsort(-found.scores, kind="stable")
    if limit is None or len(found) <= limit:
        return order
    by_label = order[np.argsort(found.labels[order], kind="stable")]
    labels = found.labels[by_label]
    rank = np.empty(len(found), dtype=np.intp)
    rank[by_label] = np.arange(len(found)) - np.searchsorted(labels, labels, "left")
    return order[rank[order] < limit]


def outside(corners: NDArray[np.float32], sizes: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Return which boxes [k, 4] are outside each range of areas, bool [a, k]."""
    width, height = (corners[:, 2:] - corners[:, :2]).astype(np.float64).T
    limits = np.asarray(sizes, dtype=np.float64)
    beyond: NDArray[np.bool_] = (width * height < limits[:, :1]) | (width * height > limits[:, 1:])
    return beyond


def overlaps(
    one: NDArray[np.float32], other: NDArray[np.float32], crowd: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Return the intersection over union of every pair of boxes, float64 [m, k].

    With a crowd, the intersection is divided by the area of the first box alone.

    Args:
        one: float32 [m, 4].
        other: float32 [k, 4].
        crowd: bool [k], which of `other` are crowds.
    """
    # Width and height in float32, then everything in float64: this is what COCO's code gets from torchmetrics.
    (a, a_size), (b, b_size) = (
        (each[:, :2].astype(np.float64), (each[:, 2:] - each[:, :2]).astype(np.float64)) for each in (one, other)
    )
    ends = np.minimum((a + a_size)[:, None], (b + b_size)[None])
    shared = np.clip(ends - np.maximum(a[:, None], b[None]), 0, None).prod(axis=2)
    areas = a_size.prod(axis=1)[:, None], b_size.prod(axis=1)[None]
    union = areas[0] + areas[1] - shared
    if crowd is not None:
        union = np.where(crowd[None], areas[0], union)
    ratio: NDArray[np.float64] = np.zeros(shared.shape)
    np.divide(shared, union, out=ratio, where=union > 0)
    return ratio


def largest_gap(one: Detections, other: Detections) -> float:
    """Return the largest difference of two models' detections in an image; see `BoxesTarget.difference`."""
    if len(one) != len(other) or (np.sort(one.labels) != np.sort(other.labels)).any():
        return math.inf
    scores = np.abs(one.scores[:, None] - other.scores)
    corners = np.abs(one.corners[:, None] - other.corners).max(axis=-1, initial=0.0) / 100
    gaps = np.where(one.labels[:, None] == other.labels, np.maximum(scores, corners), np.inf)
    largest = 0.0
    for row in range(len(one)):
        nearest = int(gaps[row].argmin())
        largest = max(largest, float(gaps[row, nearest]))
        gaps[:, nearest] = np.inf  # each detection is compared once
    return largest
