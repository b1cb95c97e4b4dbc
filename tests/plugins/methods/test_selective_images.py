"""Adapter methods on image classifiers, as whole runs: the saved model predicts the same, and timm opens it.

Covers: plugins/methods/selective.py
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import image_samples
import pytest
import timm

from core.contracts.components import AdapterMethod, DataAdapter, RunConfig
from core.contracts.splits import Splits
from core.contracts.train_config import TrainConfig
from core.runs.run import run
from core.tasks.task import Task
from plugins.images.plugin import Timm
from plugins.methods.lora import Lora
from plugins.methods.selective import Freeze, Full, Head
from plugins.metrics.classification import F1


@dataclass
class Pictures(DataAdapter):
    """Small images that show their labels."""

    name: ClassVar[str] = "pictures"

    def load(self, task: Task, seed: int) -> Splits:
        found = image_samples.examples(36)
        return Splits(
            found[:18], found[18:27], found[27:], image_samples.LABELS, "pictures", description="made for a test"
        )


METHODS: list[AdapterMethod] = [Full(layer_decay=0.8), Head(), Freeze(layers=2), Lora(rank=2)]
ARCHITECTURES = ("test_resnet", "test_vit", "test_convnext", "test_efficientnet")
RUNS = [(each, method, "auto") for each in ARCHITECTURES for method in METHODS]
RUNS += [(each, Head(), "light") for each in ("test_resnet", "test_vit")]


@pytest.mark.parametrize(("architecture", "method", "augment"), RUNS, ids=lambda value: getattr(value, "name", value))
def test_a_whole_run(architecture: str, method: AdapterMethod, augment: str, tmp_path: Path) -> None:
    config = RunConfig(
        task=Task(type="image-classification", primary="score"),
        data=Pictures(),
        model=Timm(variant=architecture, init="auto", image_size=32, augment=augment),
        method=method,
        metrics={"score": F1()},
        train=TrainConfig(epochs=1, batch_size=8, bootstrap_resamples=20, precision="fp32", baselines=False, ema=0.9),
    )
    run(config, tmp_path / "run", quiet=True)
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["status"] == "completed"
    assert report["self_test"]["largest_difference"] < 1e-5
    trained, total = report["model"]["parameters"]["trainable"], report["model"]["parameters"]["total"]
    assert trained == total if method.name == "full" else trained < total
    each_epoch = [finding["code"] for finding in report["data"]["findings"]].count("features_each_epoch")
    assert each_epoch == (augment == "light")
    folder = tmp_path / "run" / "model"
    assert timm.create_model(f"local-dir:{folder}", pretrained=True).num_classes == 3
    assert (folder / "adapter" / "adapter_model.safetensors").is_file() == (method.name == "lora")
    assert any(path.suffix == ".png" for path in (tmp_path / "run").iterdir())  # what the model saw, drawn
