"""Boxes drawn on images: in the right place, legible on small images, and the page of truth and prediction.

Covers: core/tasks/detection/task.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.images.reading import encode_png
from core.tasks.detection.boxes import Boxes, BoxExample, Detections
from core.tasks.detection.drawing import LEAST_SIDE, SHOWN, TILE, Mark, choose_rows, color, draw, errors
from core.tasks.detection.task import ObjectDetection
from core.tasks.targets.encoded import objects
from core.tasks.text import TextClassification

BOX = (8.0, 8.0, 24.0, 24.0)


def image(width: int = 32, height: int = 32) -> Any:
    return Image.new("RGB", (width, height), (255, 255, 255))


def found(*scores: float) -> Detections:
    corners = np.asarray([BOX] * len(scores), dtype=np.float32).reshape(-1, 4)
    return Detections(corners, np.asarray(scores, np.float32), np.zeros(len(scores), np.int64))


def pixels_of(drawn: Any, label: int) -> Any:
    return (np.asarray(drawn) == color(label)).all(axis=2)


def test_a_small_image_is_enlarged_and_the_box_is_where_it_should_be() -> None:
    drawn = draw(image(), [Mark(BOX, 3, "three 0.91")])
    assert drawn.size == (LEAST_SIDE, LEAST_SIDE)
    rows, columns = np.nonzero(pixels_of(drawn, 3))
    scale = LEAST_SIDE / 32
    assert columns.min() == 8 * scale
    assert rows.max() == 24 * scale
    assert rows.min() < 8 * scale  # its name, above it


def test_a_large_image_keeps_its_size_unless_a_page_asks_for_less() -> None:
    assert draw(image(900, 600), []).size == (900, 600)
    assert draw(image(900, 600), [], TILE, TILE).size == (TILE, TILE * 2 // 3)


@pytest.mark.parametrize("box", [(-50.0, -50.0, 900.0, 900.0), (31.0, 31.0, 32.0, 32.0), (9.0, 9.0, 9.0, 9.0)])
def test_boxes_beyond_the_image_and_without_extent_are_drawn(box: Any) -> None:
    drawn = draw(image(), [Mark(box, 0, "a long name of a label")])
    assert pixels_of(drawn, 0).any()


def test_labels_have_colours_of_their_own() -> None:
    assert len({color(label) for label in range(40)}) == 40


def test_errors_are_counted_at_the_threshold() -> None:
    predictions = objects([found(0.9, 0.8), found(0.2), found()])
    targets = [Boxes((BOX,), (0,)), Boxes((BOX,), (0,)), Boxes()]
    assert [each.tolist() for each in errors(predictions, targets, 1, (0.5,))] == [[0, 1, 0], [1, 0, 0]]
    assert [each.tolist() for each in errors(predictions, targets, 1, None)] == [[0, 0, 0], [1, 0, 0]]


def test_half_of_those_shown_have_the_most_errors_and_none_is_shown_twice() -> None:
    wrong = np.zeros(100, dtype=np.int64)
    wrong[[7, 40, 90]] = [1, 5, 1]
    rows = choose_rows(wrong)
    assert rows[:3] == [40, 7, 90]
    assert len(set(rows)) == len(rows) == SHOWN
    assert {0, 99} <= set(rows)
    assert choose_rows(wrong) == rows
    assert choose_rows(np.zeros(2, dtype=np.int64)) == [0, 1]
    assert choose_rows(np.ones(1, dtype=np.int64)) == [0]


def test_a_page_of_truth_and_prediction() -> None:
    picture = encode_png(np.asarray(image()))
    examples = [BoxExample(picture, Boxes((BOX,), (0,)), place=f"scenes:{row}") for row in range(3)]
    page = ObjectDetection().picture(examples, objects([found(0.9), found(), found(0.1)]), ["a"], (0.5,))
    assert page is not None
    assert page.width > 4 * TILE
    assert page.height > 2 * TILE
    seen = np.flatnonzero(pixels_of(page, 0).any(axis=0))
    assert seen.min() < TILE < seen.max()
    assert ObjectDetection().picture([], objects([]), ["a"]) is None


def test_task_types_without_pictures_draw_none() -> None:
    assert TextClassification().picture([], np.zeros((0, 2)), ["a", "b"]) is None
    assert TextClassification().drawn(None, None, ["a"]) is None
