"""Synthetic objects for checks of metrics and detectors: of every size, with exact and with faulty detections."""

from __future__ import annotations

import numpy as np

from core.tasks.detection import samples
from core.tasks.detection.matching import COCO_SIZES

TRUTH = samples.sample_boxes(20, 3)


def test_objects_are_of_every_size_and_label_and_some_images_are_empty() -> None:
    corners = np.concatenate([each.arrays()[0] for each in TRUTH])
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    for low, high in COCO_SIZES.values():
        assert ((areas >= low) & (areas < high)).any()
    assert {label for each in TRUTH for label in each.labels} == {0, 1, 2}
    assert any(len(each) == 0 for each in TRUTH)
    assert any(any(each.crowd) for each in TRUTH)


def test_a_perfect_detector_finds_every_object_and_no_crowd() -> None:
    for truth, detected in zip(TRUTH, samples.perfect_detections(TRUTH), strict=True):
        corners, labels, crowd = truth.arrays()
        assert np.array_equal(detected.corners, corners[~crowd])
        assert np.array_equal(detected.labels, labels[~crowd])


def test_other_scores_leave_the_boxes_and_put_the_most_confident_first() -> None:
    exact = samples.perfect_detections(TRUTH)
    for before, after in zip(exact, samples.with_random_scores(exact, 1), strict=True):
        assert (np.diff(after.scores) <= 0).all()
        assert sorted(map(tuple, before.corners)) == sorted(map(tuple, after.corners))
