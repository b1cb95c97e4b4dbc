"""Matching detections with objects: COCO's rules, one at a time; and precision and recall of the matches.

Covers: core/tasks/detection/precision_recall.py
"""

from __future__ import annotations

import numpy as np
import pytest

from core.tasks.detection.boxes import Boxes, Detections
from core.tasks.detection.matching import COCO_IOUS, COCO_SIZES, largest_gap, match, match_at, overlaps
from core.tasks.detection.precision_recall import precision_recall

A, B, FAR = (0.0, 0.0, 100.0, 100.0), (0.0, 0.0, 100.0, 60.0), (300.0, 0.0, 400.0, 100.0)
SMALL = (0.0, 0.0, 10.0, 10.0)


def found(*rows: tuple[tuple[float, float, float, float], float], label: int = 0) -> Detections:
    corners = np.asarray([row[0] for row in rows], dtype=np.float32).reshape(-1, 4)
    return Detections(corners, np.asarray([row[1] for row in rows], np.float32), np.full(len(rows), label))


def there(*corners: tuple[float, float, float, float], crowd: tuple[bool, ...] = ()) -> Boxes:
    return Boxes(corners, (0,) * len(corners), crowd)


def at(detections: Detections, truth: Boxes, iou: float = 0.5, size: str = "all") -> tuple[list[bool], list[bool]]:
    """Which are right, and which count."""
    one = match_at([detections], [truth], 1, (iou,), (COCO_SIZES[size],))
    return one.hits[0, 0].tolist(), one.counts[0, 0].tolist()


def test_overlaps() -> None:
    one, other = (np.asarray(each, dtype=np.float32) for each in ([A, FAR], [A, B, FAR]))
    np.testing.assert_allclose(overlaps(one, other), [[1, 0.6, 0], [0, 0, 1]])
    np.testing.assert_allclose(overlaps(other[1:2], one[:1], np.asarray([True])), [[1.0]])  # over the first box alone
    assert overlaps(np.zeros((1, 4), np.float32), np.zeros((1, 4), np.float32)).tolist() == [[0.0]]


def test_the_most_confident_detection_takes_the_object_in_any_order() -> None:
    assert at(found((A, 0.5), (B, 0.9)), there(A)) == ([False, True], [True, True])


def test_each_takes_the_free_object_that_it_overlaps_most() -> None:
    assert at(found((A, 0.9), (A, 0.8)), there(B, A))[0] == [True, True]
    assert at(found((A, 0.9), (A, 0.8)), there(B, A), iou=0.7)[0] == [True, False]


def test_an_overlap_that_is_just_enough_is_enough() -> None:
    half = (0.0, 0.0, 100.0, 50.0)
    assert at(found((half, 0.9)), there(A))[0] == [True]
    assert at(found((A, 0.9)), there(A), iou=1.0)[0] == [True]


def test_a_crowd_takes_any_number_but_an_object_comes_first() -> None:
    truth = there(A, A, crowd=(True, False))
    assert at(found((A, 0.9), (A, 0.8), (A, 0.7)), truth) == ([True, False, False], [True, False, False])


def test_other_sizes_are_neither_right_nor_wrong() -> None:
    detections = found((SMALL, 0.9), (A, 0.8), (FAR, 0.7))
    assert at(detections, there(SMALL, A), size="small") == ([True, False, False], [True, False, False])
    assert at(detections, there(SMALL, A), size="large") == ([False, True, False], [False, True, True])
    one = match_at([detections], [there(SMALL, A)], 1)
    assert one.truth[:, 0, 0].tolist() == [2, 1, 0, 1]


def test_other_labels_do_not_match() -> None:
    assert at(found((A, 0.9), label=1), there(A))[0] == [False]


def test_only_the_most_confident_detections_of_a_label_in_an_image_count() -> None:
    rows = [(FAR, 0.9)] * 3 + [(A, 0.1)]
    one = match_at([found(*rows)], [there(A)], 1, (0.5,), (COCO_SIZES["all"],), limit=3)
    assert one.counts[0, 0].tolist() == [True, True, True, False]
    assert not one.hits.any()


def test_images_are_separate_and_may_be_empty() -> None:
    one = match([found(), found((A, 0.9), (FAR, 0.8))], [there(A), there(A)], 1)
    assert (one.hits.tolist(), one.images.tolist(), one.truth.tolist()) == ([True, False], [1, 1], [[1], [1]])
    none = match_at([], [], 3)
    assert (none.hits.shape, none.truth.shape) == ((4, 10, 0), (4, 0, 3))


def test_a_weight_stands_for_so_many_copies() -> None:
    detections = [found((A, 0.9), (FAR, 0.8)), found((FAR, 0.7)), found((A, 0.95))]
    truth = [there(A), there(FAR, A), there()]
    weights = np.asarray([[2, 1, 3]])
    rows = np.repeat([0, 1, 2], weights[0])
    copied = match_at([detections[row] for row in rows], [truth[row] for row in rows], 2)
    weighed = precision_recall(match_at(detections, truth, 2), weights)
    for one, other in zip(weighed, precision_recall(copied, np.ones((1, 6), dtype=np.int64)), strict=True):
        np.testing.assert_allclose(one, other)
    assert np.isnan(weighed[0][..., 1]).all()
    # Three false alarms, two right, two more false alarms, one right of four: 51 recalls at 2/5, then 25 at 3/8.
    assert weighed[0][0, 0, 0] == pytest.approx((51 * 2 / 5 + 25 * 3 / 8) / 101)
    assert weighed[1][0, 0, 0] == pytest.approx(3 / 4)


def test_the_overlaps_are_cocos() -> None:
    assert np.round(COCO_IOUS, 6).tolist() == [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]


def test_the_gap_of_two_models_ignores_the_order_of_almost_equal_scores() -> None:
    corners = np.array([[0, 0, 10, 10], [20, 20, 40, 40], [5, 5, 9, 9]], dtype=np.float32)
    scores = np.array([0.5, 0.49999997, 0.2], dtype=np.float32)
    one = Detections(corners, scores, np.array([0, 1, 0]))
    swapped = Detections(corners[[1, 0, 2]], scores[[0, 1, 2]], np.array([1, 0, 0]))
    assert largest_gap(one, one) == 0
    assert largest_gap(one, swapped) < 1e-6
    moved = Detections(corners + np.float32(3), scores, np.array([0, 1, 0]))
    assert largest_gap(one, moved) == pytest.approx(0.03)
    assert largest_gap(one, Detections(corners, scores, np.array([0, 1, 1]))) == np.inf
    assert largest_gap(one, Detections(corners[:2], scores[:2], np.array([0, 1]))) == np.inf
    assert largest_gap(one, Detections(corners, scores / 2, np.array([0, 1, 0]))) == pytest.approx(0.25, rel=1e-5)
