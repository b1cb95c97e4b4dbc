"""How `predict` writes objects: one CSV row each, and pictures that never overwrite an input."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import DataError
from core.inference.outputs import Pictures, write_csv
from core.tasks.detection.boxes import BoxExample, Detections
from core.tasks.detection.target import BoxesTarget
from core.tasks.detection.task import ObjectDetection
from core.tasks.text import TextClassification

FOUND = Detections(
    np.asarray([[1, 2, 20, 30], [5, 5, 9, 9]], np.float32), np.asarray([0.9, 0.2], np.float32), np.asarray([1, 0])
)
LABELS = ("cat", "dog")


def rows(*shown: str) -> list[dict[str, str]]:
    out = io.StringIO()
    lines = ({"image": each, **written} for each, written in zip(shown, WRITTEN, strict=False))
    write_csv((row for line in lines for row in BoxesTarget().rows(line)), out, BoxesTarget().columns(LABELS))
    return list(csv.DictReader(io.StringIO(out.getvalue())))


WRITTEN = [
    BoxesTarget().write(FOUND, LABELS, (0.1,)),
    BoxesTarget().write(FOUND, LABELS, (0.95,)),
    BoxesTarget().write(FOUND, LABELS, (0.5,)),
]


def test_one_row_per_object() -> None:
    found = rows("a.png", "empty.png", "b.png")
    assert [(row["image"], row["label"]) for row in found] == [("a.png", "dog"), ("a.png", "cat"), ("b.png", "dog")]
    assert {key: float(found[0][key]) for key in ("score", "x1", "y1", "x2", "y2")} == {
        "score": 0.9, "x1": 1.0, "y1": 2.0, "x2": 20.0, "y2": 30.0,
    }  # fmt: skip


def test_no_detections_give_a_table_without_rows() -> None:
    out = io.StringIO()
    write_csv(BoxesTarget().rows({"image": "a.png", "objects": []}), out, BoxesTarget().columns(LABELS))
    assert out.getvalue().strip() == "image,label,score,x1,y1,x2,y2"


def test_pictures_have_the_names_of_their_images(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path / "drawn", ObjectDetection(), LABELS, (0.5,))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (40, 40)).save(tmp_path / folder / "photo.png")
        pictures.write(BoxExample(tmp_path / folder / "photo.png"), FOUND)
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["photo-2.png", "photo.png"]
    assert len(set(Image.open(tmp_path / "drawn" / "photo.png").getdata())) > 1


def test_an_image_is_never_overwritten(tmp_path: Path) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "photo.png")
    before = (tmp_path / "photo.png").read_bytes()
    pictures = Pictures(tmp_path, ObjectDetection(), LABELS)
    with pytest.raises(DataError, match="Give another folder"):
        pictures.write(BoxExample(tmp_path / "photo.png"), FOUND)
    assert (tmp_path / "photo.png").read_bytes() == before


def test_texts_are_not_drawn(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="text-classification are not drawn"):
        Pictures(tmp_path / "drawn", TextClassification(), LABELS)
    assert not (tmp_path / "drawn").exists()
