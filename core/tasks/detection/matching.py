"""Which found objects are there: matching detections with the truth, as COCO does it.

Source:
    Lin et al., Microsoft COCO (2014), and its evaluation code (`cocoeval.py`): of one label at a time, the surest
    detection takes the free object that it overlaps most, if by at least the wanted IoU. One that overlaps only a crowd
    is neither right nor wrong; nor, where objects of some sizes only are looked for, is one that overlaps only another
    size, or that overlaps nothing and is of another size itself.

Shapes, beside those of `core.tasks`:

    m   detections of a split        t   least overlaps (IoU)        a   ranges of sizes
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.tasks.detection.boxes import Boxes, Detections

IOU = 0.5
"""The overlap from which a detection counts as right, where nothing else is said."""

COCO_IOUS: tuple[float, ...] = tuple(float(each) for each in np.linspace(0.5, 0.95, 10, dtype=np.float32))
"""0.50, 0.55, …, 0.95 in float32, as torchmetrics has them."""

COCO_SIZES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""The least and the largest area of a box of each size, in pixels of the stored image; an end belongs to both sides."""

MOST = 100
"""COCO looks at the surest so many detections of a label in an image."""

_BELOW_ONE = 1 - 1e-10  # boxes that are equal but for rounding still meet a least overlap of 1


@dataclass(frozen=True)
class Matched:
    """The detections of a split and what they hit, crowds left out.

    Attributes:
        scores: float32 [m], of all detections that count.
        labels: int64 [m].
        hits: bool [m], whether each is right.
        images: int64 [m], the image of each.
        truth: int64 [n, c], how many objects of each label are in each image.
    """

    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    hits: NDArray[np.bool_]
    images: NDArray[np.int64]
    truth: NDArray[np.int64]


@dataclass(frozen=True)
class Matches:
    """The detections of a split and what they hit, at several overlaps and for several ranges of sizes.

    Attributes:
        scores: float32 [m], of all detections, image by image.
        labels: int64 [m].
        images: int64 [m], the image of each.
        hits: bool [a, t, m], whether each is right.
        counts: bool [a, t, m], whether each is right or wrong, and not neither.
        truth: int64 [a, n, c], how many objects of each label are in each image.
    """

    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    images: NDArray[np.int64]
    hits: NDArray[np.bool_]
    counts: NDArray[np.bool_]
    truth: NDArray[np.int64]


def match(predictions: Iterable[Detections], targets: Iterable[Boxes], n_labels: int, iou: float = IOU) -> Matched:
    """Match the detections of every image with its objects, whatever their number and sizes.

    Args:
        predictions: One an image.
        targets: Likewise.
        n_labels: Number of labels, c.
        iou: The least overlap.
    """
    found = match_at(predictions, targets, n_labels, (iou,), (COCO_SIZES["all"],), None)
    kept = found.counts[0, 0]
    return Matched(found.scores[kept], found.labels[kept], found.hits[0, 0, kept], found.images[kept], found.truth[0])


def match_at(
    predictions: Iterable[Detections],
    targets: Iterable[Boxes],
    n_labels: int,
    ious: Sequence[float] = COCO_IOUS,
    sizes: Sequence[tuple[float, float]] = tuple(COCO_SIZES.values()),
    most: int | None = MOST,
) -> Matches:
    """Match the detections of every image with its objects, at each least overlap and for each range of sizes.

    Args:
        predictions: One an image.
        targets: Likewise.
        n_labels: Number of labels, c.
        ious: The least overlaps, [t].
        sizes: The least and the largest area, [a].
        most: The surest so many detections of a label in an image count; None for all of them.
    """
    scores, labels, images, truth = [], [], [], []
    hits = [np.zeros((len(sizes), len(ious), 0), dtype=bool)]
    counts = list(hits)
    for image, (found, wanted) in enumerate(zip(predictions, targets, strict=True)):
        corners, there, crowd = wanted.arrays()
        ignored = crowd | outside(corners, sizes)
        hit, counted = match_image(found, corners, there, crowd, ignored, ious, sizes, most)
        scores.append(found.scores)
        labels.append(found.labels)
        images.append(np.full(len(found), image, dtype=np.int64))
        hits.append(hit)
        counts.append(counted)
        truth.append([np.bincount(there[~each], minlength=n_labels) for each in ignored])
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
    most: int | None = MOST,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Match the detections of one image.

    Args:
        found: The detections, in any order.
        corners: float32 [k, 4], of the objects that are there.
        labels: int64 [k].
        crowd: bool [k].
        ignored: bool [a, k], crowds and objects of other sizes.
        ious: The least overlaps, [t].
        sizes: The least and the largest area, [a].
        most: The surest so many detections of a label count; None for all of them.

    Returns:
        Whether each detection is right, and whether it counts: bool [a, t, len(found)] each.
    """
    hit = np.zeros((len(sizes), len(ious), len(found)), dtype=bool)
    neither = hit.copy()
    looked_at = surest(found, most)
    overlap = overlaps(found.corners, corners, crowd)
    overlap[found.labels[:, None] != labels[None, :]] = -1.0
    limits = np.minimum(ious, _BELOW_ONE)
    free = np.ones((len(sizes), len(ious), len(labels)), dtype=bool)
    reach = overlap.max(axis=1, initial=-1.0) >= limits.min()
    for row in looked_at[reach[looked_at]]:
        near = (overlap[row] >= limits[:, None]) & (free | crowd)
        for candidates, seen in ((near & ~ignored[:, None], hit), (near & ignored[:, None], neither)):
            # Among equal overlaps COCO takes the last object.
            best = len(labels) - 1 - np.where(candidates, overlap[row], -1.0)[..., ::-1].argmax(axis=-1)
            taken = candidates.any(axis=-1) & ~hit[..., row]
            seen[..., row] |= taken
            where = np.nonzero(taken)
            free[(*where, best[where])] = False
    beyond = np.ones(len(found), dtype=bool)
    beyond[looked_at] = False
    neither |= ~hit & (outside(found.corners, sizes)[:, None] | beyond)
    return hit, ~neither


def surest(found: Detections, most: int | None) -> NDArray[np.intp]:
    """The surest so many detections of each label, or all of them: their indices, the surest first."""
    order = np.argsort(-found.scores, kind="stable")
    if most is None or len(found) <= most:
        return order
    by_label = order[np.argsort(found.labels[order], kind="stable")]
    labels = found.labels[by_label]
    rank = np.empty(len(found), dtype=np.intp)
    rank[by_label] = np.arange(len(found)) - np.searchsorted(labels, labels, "left")
    return order[rank[order] < most]


def outside(corners: NDArray[np.float32], sizes: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Which boxes [k, 4] are smaller or larger than each range of areas allows, bool [a, k]."""
    width, height = (corners[:, 2:] - corners[:, :2]).astype(np.float64).T
    limits = np.asarray(sizes, dtype=np.float64)
    beyond: NDArray[np.bool_] = (width * height < limits[:, :1]) | (width * height > limits[:, 1:])
    return beyond


def overlaps(
    one: NDArray[np.float32], other: NDArray[np.float32], crowd: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Intersection over union of every pair of boxes, float64 [m, k]; over the first box alone where `crowd`.

    Args:
        one: float32 [m, 4].
        other: float32 [k, 4].
        crowd: bool [k], which of `other` stand for many.
    """
    # Width and height in float32, then all else in float64: as COCO's code has it from torchmetrics.
    (a, a_size), (b, b_size) = (
        (each[:, :2].astype(np.float64), (each[:, 2:] - each[:, :2]).astype(np.float64)) for each in (one, other)
    )
    ends = np.minimum((a + a_size)[:, None], (b + b_size)[None])
    shared = np.clip(ends - np.maximum(a[:, None], b[None]), 0, None).prod(axis=2)
    areas = a_size.prod(axis=1)[:, None], b_size.prod(axis=1)[None]
    whole = areas[0] + areas[1] - shared
    if crowd is not None:
        whole = np.where(crowd[None], areas[0], whole)
    ratio: NDArray[np.float64] = np.zeros(shared.shape)
    np.divide(shared, whole, out=ratio, where=whole > 0)
    return ratio
