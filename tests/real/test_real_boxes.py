"""Real annotations. Needs a folder named by GRAFT_TEST_DATA; skipped without it."""

from __future__ import annotations

import os
from pathlib import Path
from zipfile import ZipFile

import pytest
from box_files import found, load, problem
from narrow_resnet import replace_resnet18

from core.config.compose import resolve
from core.reporting.report import read
from core.runs.run import run
from plugins.data.adapters.detection import Voc, Yolo
from plugins.data.boxes import coco, voc, yolo
from plugins.data.boxes.annotations import BoxRows

DATA = Path(os.environ.get("GRAFT_TEST_DATA", "")).absolute()
pytestmark = pytest.mark.skipif("GRAFT_TEST_DATA" not in os.environ, reason="GRAFT_TEST_DATA names no folder")


def test_blood_cells_with_boxes_of_no_size() -> None:
    message = problem(Voc(path=str(DATA / "bccd")))
    assert "Annotations/BloodImage_00343.xml:50: the box of 'RBC' (181 329 181 329) has no width" in message
    assert "2 such objects" in message
    assert "data.on_bad_row=skip" in message
    splits = load(Voc(path=str(DATA / "bccd"), on_bad_row="skip"))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [205, 87, 72]
    assert found(splits, "degenerate_box")[0] == 2
    assert splits.labels == ("Platelets", "RBC", "WBC")
    assert sum(len(each.target) for part in (splits.train, splits.val, splits.test) for each in part) == 4886


@pytest.mark.parametrize("path", ["coco8", "coco8/coco8.yaml"])
def test_eight_photographs(path: str) -> None:
    splits = load(Yolo(path=str(DATA / path)))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [3, 4, 1]
    assert len(splits.labels) == 80
    assert splits.labels[0] == "person"


@pytest.mark.parametrize("model", ["yolo", "fcos"])
def test_eight_photographs_are_trained_on_and_scored(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The road from data.yaml to a report; four photographs teach nothing."""
    if model == "yolo":
        pytest.importorskip("ultralytics")
    replace_resnet18(monkeypatch)
    sizes = {"yolo": ["model.width=0.125", "model.depth=0.34"], "fcos": ["model.channels=64", "model.convolutions=1"]}
    config = resolve(
        [
            "task=object_detection", "data=yolo", f"data.path={DATA / 'coco8'}", f"model={model}", *sizes[model],
            "model.init=scratch", "model.image_size=128", "train=smoke", "train.device=cpu", "train.precision=fp32",
        ]
    )  # fmt: skip
    run(config, tmp_path / "run", quiet=True)
    report = read(tmp_path / "run")
    assert report["status"] == "completed"
    assert report["self_test"]["passed"]
    assert 0 <= report["scores"]["test"]["map50"]["value"] <= 1


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    for each in (DATA / "label_studio").glob("box_*.zip"):
        with ZipFile(each) as packed:
            packed.extractall(tmp_path / each.stem)
    return tmp_path


@pytest.mark.parametrize("name", ["VOC", "COCO", "COCO_WITH_IMAGES", "YOLO", "YOLO_WITH_IMAGES"])
def test_exports_of_label_studio(exports: Path, name: str) -> None:
    path, images = exports / f"box_{name}", ""
    if name in ("COCO", "YOLO"):
        images = str(exports / f"box_{name}_WITH_IMAGES" / "images")
    if "VOC" in name:
        read = voc.annotated(voc.VocFiles(str(path)))[0]
    elif "COCO" in name:
        read = coco.annotated(coco.CocoFiles(str(path), images=images))[0]
    else:
        place = yolo.YoloFiles(str(path), images)
        read = yolo.annotated(yolo.configured(place), place)
    rows = list(BoxRows(read))
    assert len(rows) == 2
    for row in rows:
        assert row.fault is None or row.fault.level == "note"
        assert row.label == (("circle", (10.0, 10.0, 40.0, 40.0), False), ("square", (60.0, 20.0, 90.0, 60.0), False))
