"""A detection run: threshold, report, pictures, and the output of `predict`.

Covers: core/runs/run.py
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import graft_toy
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from core.contracts.components import DataAdapter, Metric, ModelLoader
from core.contracts.model import LoadedModel, LoadRequest, Provenance
from core.contracts.splits import Splits
from core.contracts.train_config import TrainConfig
from core.images.reading import encode_png, open_image
from core.reporting import report as record
from core.reporting.run_directory import PICTURE, PREDICTIONS
from core.reporting.summary import show
from core.runs.run import run
from core.tasks.detection.boxes import Boxes, BoxExample, Detections
from core.tasks.detection.task import ObjectDetection
from core.tasks.task import Task
from plugins.methods.selective import Full
from plugins.metrics.detection import BoxF1, BoxPrecision, BoxRecall, MeanAveragePrecision, MeanAverageRecall

LABELS = ("red", "blue")
PAINT = ((255, 0, 0), (0, 0, 255))
METRICS: dict[str, Metric] = {
    "map50": MeanAveragePrecision(iou="50"), "map_large": MeanAveragePrecision(area="large"),
    "map_per_class": MeanAveragePrecision(table="per_class"), "mar": MeanAverageRecall(),
    "precision": BoxPrecision(), "recall": BoxRecall(), "f1": BoxF1(),
}  # fmt: skip


def squares(row: int) -> tuple[bytes, Boxes]:
    """An image of at most one red and one blue square; every fourth has none."""
    pixels, corners, labels = np.full((64, 64, 3), 255, np.uint8), [], []
    for label in range(row % 4 % 3):
        x, y, side = 4 + row % 7 + 30 * label, 6 + row % 11, 12 + row % 5
        pixels[y : y + side, x : x + side] = PAINT[label]
        corners.append((float(x), float(y), float(x + side), float(y + side)))
        labels.append(label)
    return encode_png(pixels), Boxes(tuple(corners), tuple(labels))


@dataclass
class Squares(DataAdapter):
    """Squares on white."""

    name: ClassVar[str] = "squares"

    def load(self, task: Task, seed: int) -> Splits:
        made = {}
        for split, first in (("train", 0), ("val", 20), ("test", 40)):
            pairs = [squares(first + row) for row in range(20)]
            made[split] = [BoxExample(*pair, (64, 64), "", f"{split}:{row}") for row, pair in enumerate(pairs)]
        return Splits(**made, labels=LABELS, fingerprint=hashlib.sha256(repr(seed).encode()).hexdigest())


@dataclass
class Painter(ModelLoader):
    """Finds red and blue squares, and one false object in every image."""

    name: ClassVar[str] = "painter"
    targets: ClassVar[tuple[str, ...]] = ("boxes",)
    own_fit: ClassVar[bool] = True

    def load(self, request: LoadRequest) -> LoadedModel:
        return PainterModel()


class PainterModel(LoadedModel):
    heads = adapter_targets = ()

    def __init__(self) -> None:
        self.module, self.provenance = nn.Module(), Provenance("scratch", "painter")
        self.defaults, self.findings = {}, []

    def fit(self, examples: Sequence[Any], weights: Any, seed: int) -> None:
        pass

    def prepare(self, examples: Sequence[Any], train: bool) -> Any:
        made = graft_toy.ToyPrepared([])
        made.examples, made.lengths = list(examples), np.ones(len(examples), dtype=np.int64)
        return made

    def collate(self, items: Sequence[Any]) -> dict[str, Any]:
        return {"pixels": torch.stack([torch.from_numpy(np.array(open_image(each.image))) for each in items])}

    def loss(self, batch: dict[str, Any]) -> Any:
        raise AssertionError

    def predict(self, batch: dict[str, Any]) -> Any:
        return [self._find(pixels) for pixels in batch["pixels"].numpy()]

    def _find(self, pixels: Any) -> Detections:
        rows = [((40.0, 40.0, 60.0, 60.0), 0.2, 0)]
        for label, paint in enumerate(PAINT):
            y, x = np.nonzero((pixels == paint).all(axis=2))
            if len(x):
                rows.insert(0, ((x.min(), y.min(), x.max() + 1, y.max() + 1), 0.9 - 0.1 * label, label))
        rows.sort(key=lambda row: -row[1])
        corners, scores, labels = zip(*rows, strict=True)
        return Detections(np.asarray(corners, np.float32), np.asarray(scores, np.float32), np.asarray(labels))

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "labels.json").write_text(json.dumps(LABELS))


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Any:
    from core.config.compose import install
    from core.registry.registry import load_registry

    install()
    patch = pytest.MonkeyPatch()
    components = {"model": [Painter], "data": [Squares], "method": [graft_toy.Whole]}
    patch.setattr(graft_toy, "EXTENSION_POINTS", components)
    patch.setitem(load_registry().components["task_type"], ObjectDetection.name, ObjectDetection)
    with graft_toy.registered(load_registry()):
        yield
    patch.undo()


@pytest.fixture(scope="module")
def completed_run(tmp_path_factory: pytest.TempPathFactory, _registered: None) -> Path:
    """A run's folder."""
    folder = tmp_path_factory.mktemp("boxes") / "run"
    settings: dict[str, Any] = {
        "task": Task("squares", "object-detection", "boxes", "map50"), "data": Squares(), "model": Painter(),
        "metrics": METRICS, "method": Full(),
        "train": TrainConfig(device="cpu", precision="fp32", bootstrap_resamples=50),
    }  # fmt: skip
    run(graft_toy.config(**settings), folder, quiet=True)
    return folder


def test_the_report(completed_run: Path) -> None:
    report = record.read(completed_run)
    assert 0.2 < report["thresholds"]["objects"] < 0.8
    scores = report["scores"]["test"]
    for key in ("map50", "mar", "precision", "recall", "f1"):
        assert scores[key]["value"] == pytest.approx(1), key
        assert scores[key]["low"] <= 1 <= scores[key]["high"] + 1e-9
    assert scores["map_large"] == {"value": None, "low": None, "high": None}
    assert report["tables"]["test"]["map_per_class"] == pytest.approx([1, 1])
    assert [row["label"] for row in report["per_class"]] == list(LABELS)
    assert report["per_class"][0]["precision"] == 1.0
    assert report["per_class"][0]["ap50_95"] == pytest.approx(1)
    assert report["self_test"]["passed"] is True


def test_predictions_use_the_threshold_and_are_drawn(completed_run: Path) -> None:
    rows = [json.loads(line) for line in (completed_run / PREDICTIONS).read_text().splitlines()]
    assert [len(row["objects"]) for row in rows] == [len(row["target"]) for row in rows]
    with Image.open(completed_run / PICTURE) as page:
        assert page.width > 1000


def test_the_summary_shows_them(completed_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from core.reporting.console import Screen

    show(record.read(completed_run), Screen(), completed_run)
    shown = " ".join(capsys.readouterr().out.split())
    assert "map50 *" in shown
    assert "detections count from a score of" in shown
    assert "ap50_95" in shown


def test_predict_writes_objects_and_pictures(completed_run: Path, graft: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for row in range(4):
        (tmp_path / "photos" / f"{row}.png").write_bytes(squares(row)[0])
    code, out, err = graft("predict", completed_run, "photos", "--pictures", "drawn")
    assert (code, err) == (0, "")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [[each["label"] for each in row["objects"]] for row in rows] == [[], ["red"], ["red", "blue"], []]
    assert rows[1]["objects"][0].keys() == {"label", "score", "box"}
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == [f"{row}.png" for row in range(4)]
    code, out, _ = graft("predict", completed_run, "photos", "--format", "csv")
    assert [row["label"] for row in csv.DictReader(io.StringIO(out))] == ["red", "red", "blue"]
    code, _, err = graft("predict", completed_run, "photos", "--pictures", "photos")
    assert code == 2
    assert "Give another folder" in err
