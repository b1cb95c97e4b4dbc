"""Real photographs. Needs a folder named by GRAFT_TEST_DATA; skipped without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from core.tasks.task import Task
from plugins.data.adapters.images import ImageFolder

DATA = Path(os.environ.get("GRAFT_TEST_DATA", "")).absolute()
pytestmark = pytest.mark.skipif(
    "GRAFT_TEST_DATA" not in os.environ, reason="GRAFT_TEST_DATA names no folder of real data"
)


def test_sign_language_digits_are_read_from_one_folder_per_class() -> None:
    task = Task(type="image-classification")
    splits = ImageFolder(path=str(DATA / "sign_digits")).load(task, 0)
    assert splits.labels == tuple("0123456789")
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [560, 80, 160]
    assert {each.size for each in splits.train} == {(100, 100)}
    started = time.monotonic()
    again = ImageFolder(path=str(DATA / "sign_digits")).load(task, 0)
    assert time.monotonic() - started < 2
    assert again.fingerprint == splits.fingerprint


def _trained(folder: Path, seed: int) -> dict[str, Any]:
    """ResNet-18 from scratch at 64 pixels, with all processors, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    words = [
        "task=image_classification", f"data.path={DATA}/sign_digits", "model=resnet", "model.init=scratch",
        "model.image_size=64", f"seed={seed}", f"hydra.run.dir={folder}",
    ]  # fmt: skip
    command = [sys.executable, "-m", "core", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def _accuracy(report: dict[str, Any]) -> float:
    value: float = report["scores"]["test"]["accuracy"]["value"]
    return value


@pytest.mark.nightly
def test_resnet_learns_sign_language_from_scratch(tmp_path: Path) -> None:
    reports = [_trained(tmp_path / str(seed), seed) for seed in range(3)]
    assert mean(_accuracy(each) for each in reports) >= 0.90
    assert max(each["seconds"] for each in reports) < 180
