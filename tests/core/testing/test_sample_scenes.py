"""The kit's samples for detection: targets that are boxes, and pictures that show exactly those boxes.

Covers: core/testing/samples.py
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from core.images.reading import open_image
from core.tasks.detection.boxes import Boxes, BoxExample
from core.tasks.detection.target import BOXES, BoxesTarget
from core.testing.samples import sample_examples


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ((0,), "must be a `Boxes`"),
        (Boxes(((0.0, 0.0, 4.0, 4.0),), (0, 1)), "as many corners as labels"),
        (Boxes(((0.0, 0.0, 4.0, 4.0),), (2,)), "the indices (int) of 2 labels"),
        (Boxes(((4.0, 0.0, 4.0, 4.0),), (1,)), "with a width and a height"),
        (Boxes(((0.0, 0.0, 4.0, 9.0),), (1,)), "within the image"),
        (Boxes(((0.0, math.nan, 4.0, 4.0),), (1,)), "with a width and a height"),
        (Boxes(((0.0, 0.0, 8.0, 8.0),), (1,), (True,)), ""),
        (Boxes(), ""),
    ],
)
def test_boxes_that_break_a_rule(value: Any, message: str) -> None:
    problem = BoxesTarget().target_problem(value, "ab", BoxExample(b"", size=(8, 8)))
    assert message in problem
    assert bool(problem) == bool(message)


def test_samples_have_the_boxes_that_their_pictures_show() -> None:
    examples = sample_examples("object-detection", BOXES)
    assert {label for each in examples for label in each.target.labels} == {0, 1, 2}
    assert sorted({len(each.target) for each in examples}) == [0, 1, 2, 3]
    for each in examples:
        bright = np.asarray(open_image(each.image)).max(axis=2) > 100
        drawn = np.zeros_like(bright)
        for x1, y1, x2, y2 in each.target.arrays()[0].astype(int):
            drawn[y1:y2, x1:x2] = True
        assert (bright == drawn).all()
