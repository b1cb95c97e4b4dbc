"""Which found objects are there: matching detections with the truth, as COCO does it.

Source:
    Lin et al., Microsoft COCO (2014), and its evaluation code: of one label at a time, the surest detection takes the
    free object that it overlaps most, if by at least the wanted IoU. One that overlaps only a crowd is neither right
    nor wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.kinds import Boxes, Detections

IOU = 0.5
"""The overlap from which a detection counts as right, where nothing else is said."""


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


def match(predictions: Iterable[Detections], targets: Iterable[Boxes], n_labels: int, iou: float = IOU) -> Matched:
    """Match the detections of every image with its objects.

    Args:
        predictions: One an image.
        targets: Likewise.
        n_labels: Number of labels, c.
        iou: The least overlap.
    """
    scores, labels, hits, images, truth = [], [], [], [], []
    for image, (found, wanted) in enumerate(zip(predictions, targets, strict=True)):
        corners, there, crowd = wanted.arrays()
        hit, counts = match_image(found, corners, there, crowd, iou)
        scores.append(found.scores[counts])
        labels.append(found.labels[counts])
        hits.append(hit[counts])
        images.append(np.full(int(counts.sum()), image, dtype=np.int64))
        truth.append(np.bincount(there[~crowd], minlength=n_labels))
    return Matched(
        np.concatenate([np.zeros(0, dtype=np.float32), *scores]),
        np.concatenate([np.zeros(0, dtype=np.int64), *labels]),
        np.concatenate([np.zeros(0, dtype=bool), *hits]),
        np.concatenate([np.zeros(0, dtype=np.int64), *images]),
        np.asarray(truth, dtype=np.int64).reshape(-1, n_labels),
    )


def match_image(
    found: Detections,
    corners: NDArray[np.float32],
    labels: NDArray[np.int64],
    crowd: NDArray[np.bool_],
    iou: float = IOU,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Match the detections of one image.

    Args:
        found: The detections, in any order.
        corners: float32 [k, 4], of the objects that are there.
        labels: int64 [k].
        crowd: bool [k].
        iou: The least overlap.

    Returns:
        Whether each detection is right, and whether it counts: bool [len(found)] each.
    """
    hit, counts = np.zeros(len(found), dtype=bool), np.ones(len(found), dtype=bool)
    if not len(found) or not len(labels):
        return hit, counts
    overlap = overlaps(found.corners, corners, crowd)
    overlap[found.labels[:, None] != labels[None, :]] = -1.0
    free = np.ones(len(labels), dtype=bool)
    for row in np.argsort(-found.scores, kind="stable"):
        single = np.where(free & ~crowd, overlap[row], -1.0)
        best = int(single.argmax())
        if single[best] >= iou:
            free[best], hit[row] = False, True
        elif bool((overlap[row][crowd] >= iou).any()):
            counts[row] = False
    return hit, counts


def overlaps(
    one: NDArray[np.float32], other: NDArray[np.float32], crowd: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Intersection over union of every pair of boxes, float64 [m, k]; over the first box alone where `crowd`.

    Args:
        one: float32 [m, 4].
        other: float32 [k, 4].
        crowd: bool [k], which of `other` stand for many.
    """
    a, b = one.astype(np.float64)[:, None], other.astype(np.float64)[None]
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    shared = np.clip(width, 0, None) * np.clip(height, 0, None)
    areas = [(each[..., 2] - each[..., 0]) * (each[..., 3] - each[..., 1]) for each in (a, b)]
    whole = areas[0] + areas[1] - shared
    if crowd is not None:
        whole = np.where(crowd[None], areas[0], whole)
    ratio: NDArray[np.float64] = np.zeros(np.broadcast_shapes(shared.shape, whole.shape))
    np.divide(shared, whole, out=ratio, where=whole > 0)
    return ratio
