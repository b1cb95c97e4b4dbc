"""Boxes and detections as arrays."""

from __future__ import annotations

import numpy as np

from core.tasks.detection.boxes import Boxes, Detections


def test_boxes_become_arrays_also_where_there_are_none() -> None:
    corners, labels, crowd = Boxes(((0.0, 1.0, 2.0, 3.0),), (4,)).arrays()
    assert (corners.dtype, corners.tolist()) == (np.float32, [[0.0, 1.0, 2.0, 3.0]])
    assert (labels.dtype, labels.tolist()) == (np.int64, [4])
    assert crowd.tolist() == [False]
    assert [each.shape for each in Boxes().arrays()] == [(0, 4), (0,), (0,)]
    assert len(Boxes()) == 0


def test_a_threshold_keeps_the_scores_at_and_above_it() -> None:
    corners = np.arange(12, dtype=np.float32).reshape(3, 4)
    detections = Detections(corners, np.array([0.75, 0.5, 0.25], np.float32), np.array([2, 1, 0]))
    kept = detections.at_least(0.5)
    assert kept.scores.tolist() == [0.75, 0.5]
    assert kept.labels.tolist() == [2, 1]
    assert np.array_equal(kept.corners, corners[:2])
