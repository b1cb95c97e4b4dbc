"""Synthetic objects in images, and the detections of an imperfect and of a perfect detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.tasks.detection.boxes import Boxes, Detections
from core.tasks.targets.encoded import objects

if TYPE_CHECKING:
    from core.tasks.targets.target import Predictions, Targets

CELL = 160
"""Side of the square, in pixels, around each object; a detection then overlaps at most one object."""
_SIDES = (20, 60, 120)
"""Sides of the objects in pixels: a small, a medium and a large one by COCO's measure."""


def sample_boxes(n: int, n_labels: int) -> Targets:
    """Return the objects of n images, [n] of `Boxes`: all sizes and labels, some crowds, every fifth image empty."""
    images = []
    for row in range(n):
        count = row % 5
        corners = tuple(_square(place, _SIDES[(row + place) % 3]) for place in range(count))
        labels = tuple((row // 3 + place) % n_labels for place in range(count))
        images.append(Boxes(corners, labels, tuple(row % 7 == 0 and place == 3 for place in range(count))))
    return objects(images)


def _square(place: int, side: int) -> tuple[float, float, float, float]:
    return (float(CELL * place), 10.0, float(CELL * place + side), float(10 + side))


def imperfect_detections(truth: Targets, n_labels: int, seed: int) -> Predictions:
    """Return detections with errors: misses, false alarms, shifted boxes, wrong labels and random scores.

    No two scores are equal.

    Args:
        truth: [n] of `Boxes`.
        n_labels: Number of labels.
        seed: Seed of the errors.
    """
    random = np.random.default_rng(seed)
    images = []
    for each in truth:
        corners, labels, _ = each.arrays()
        seen = random.random(len(corners)) < 0.8
        corners, labels = corners[seen], labels[seen]
        corners = corners + random.uniform(0, 0.3, (len(corners), 1)) * (corners[:, 2:3] - corners[:, :1])
        wrong = random.random(len(labels)) < 0.2
        labels = np.where(wrong, random.integers(0, n_labels, len(labels)), labels)
        alarms = random.integers(0, 3)
        corners = np.concatenate(
            [corners, [_square(6 + place, 50) for place in range(alarms)]] if alarms else [corners]
        )
        labels = np.concatenate([labels, random.integers(0, n_labels, alarms)])
        images.append(_detections(corners, random.uniform(0.05, 1, len(labels)), labels))
    return objects(images)


def perfect_detections(truth: Targets) -> Predictions:
    """Return the detections of a perfect detector, [n] of `Detections`: every object, and no crowd."""
    images = []
    for each in truth:
        corners, labels, crowd = each.arrays()
        images.append(_detections(corners[~crowd], np.full(int((~crowd).sum()), 0.9), labels[~crowd]))
    return objects(images)


def with_random_scores(predictions: Predictions, seed: int) -> Predictions:
    """Return the same detections with random scores."""
    random = np.random.default_rng(seed)
    return objects(_detections(each.corners, random.uniform(0.05, 1, len(each)), each.labels) for each in predictions)


def _detections(corners: object, scores: object, labels: object) -> Detections:
    """Return detections in the order of their scores, the most confident first."""
    confidence = np.asarray(scores, dtype=np.float32)
    order = np.argsort(-confidence, kind="stable")
    boxes = np.asarray(corners, dtype=np.float32).reshape(-1, 4)
    return Detections(boxes[order], confidence[order], np.asarray(labels, dtype=np.int64)[order])
