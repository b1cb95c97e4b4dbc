"""What all tasks on images share: how an example is compared, written, found and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.images import encode_png
from core.tasks import BoxExample, ImageClassification, ImageExample, ObjectDetection

TASK_TYPES = [(ImageClassification(), ImageExample), (ObjectDetection(), BoxExample)]
tasks = pytest.mark.parametrize(("task_type", "example"), TASK_TYPES, ids=lambda each: getattr(each, "name", ""))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(encode_png(np.full((3, 4, 3), 9, dtype=np.uint8)))
    return path


@tasks
def test_a_file_and_its_bytes_are_duplicates_by_their_pixels(task_type: Any, example: Any, path: Path) -> None:
    of_file, of_bytes = example(path, place="photo.png"), example(path.read_bytes(), place="rows:1")
    assert task_type.identity(of_file) == task_type.identity(of_bytes)
    assert task_type.content(of_file)["image"] == str(path)
    assert task_type.content(of_bytes)["image"] == "rows:1"


@tasks
def test_words_mean_files_and_folders(task_type: Any, example: Any, path: Path) -> None:
    assert [each.image for each in task_type.read([str(path), str(path.parent)])] == [path, path]


@tasks
def test_a_damaged_file_is_refused_with_its_place(task_type: Any, example: Any, path: Path) -> None:
    assert task_type.fault(example(path, place="photo.png")) is None
    problem = task_type.fault(example(path.read_bytes()[:40], place="photo.png"))
    assert problem is not None
    assert problem.where == "photo.png"
