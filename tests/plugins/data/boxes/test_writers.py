"""Written annotations are read back: VOC, COCO and YOLO keep every box."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from box_files import load

from core.contracts.splits import Splits
from core.errors import DataError
from core.tasks.detection.boxes import Boxes, BoxExample
from plugins.data.adapters.detection import Coco, DigitScenes, Voc, Yolo
from plugins.data.boxes.writers import parts, write_coco, write_voc, write_yolo

DATA = Path(os.environ.get("GRAFT_TEST_DATA", "")).absolute()
real = pytest.mark.skipif("GRAFT_TEST_DATA" not in os.environ, reason="GRAFT_TEST_DATA names no folder of real data")


def same(one: Splits, other: Splits, within: float = 0.5) -> None:
    """The same images in the same splits, with the same labels, in any order, and boxes within half a pixel."""
    for part in ("train", "val", "test"):
        mine, theirs = list(getattr(one, part)), list(getattr(other, part))
        assert [each.digest for each in mine] == [each.digest for each in theirs]
        for a, b in zip(mine, theirs, strict=True):
            assert [one.labels[n] for n in a.target.labels] == [other.labels[n] for n in b.target.labels]
            if len(a.target):
                assert np.abs(np.subtract(a.target.corners, b.target.corners)).max() <= within


def round_trip(first: Splits, folder: Path) -> None:
    write_voc(parts(first), first.labels, folder / "voc")
    voc = load(Voc(path=str(folder / "voc")))
    same(first, voc)
    write_coco(parts(voc), voc.labels, folder / "coco")
    coco = load(Coco(path=str(folder / "coco")))
    same(voc, coco)
    assert [each.target.crowd for each in voc.train] == [each.target.crowd for each in coco.train]
    write_yolo(parts(coco), coco.labels, folder / "yolo")
    same(first, load(Yolo(path=str(folder / "yolo"))), within=0.001)


def test_scenes_of_digits_keep_every_box(tmp_path):
    round_trip(load(DigitScenes(scenes=60)), tmp_path)


@real
def test_blood_cells_keep_every_box(tmp_path):
    round_trip(load(Voc(path=str(DATA / "bccd"), on_bad_row="skip")), tmp_path)


def test_labels_with_signs_of_xml_and_yaml(tmp_path):
    scenes = load(DigitScenes(scenes=40))
    labels = [f"<{number}> & 'so': \"on\" #" for number in range(10)]
    write_voc(parts(scenes), labels, tmp_path / "voc")
    assert set(load(Voc(path=str(tmp_path / "voc"))).labels) <= set(labels)
    write_yolo(parts(scenes), labels, tmp_path / "yolo")
    assert load(Yolo(path=str(tmp_path / "yolo"))).labels == tuple(labels)


def test_an_image_that_is_not_annotated_is_not_written(tmp_path):
    with pytest.raises(DataError, match="the image is not annotated"):
        write_coco({"train": [BoxExample(b"", None, place="a")]}, ["x"], tmp_path)
    assert len(Boxes()) == 0
