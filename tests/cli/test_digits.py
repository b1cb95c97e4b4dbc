"""Complete runs on the embedded digits and scenes reach the expected scores."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import text_runs
from program_server import Program


def trained(folder: Path, *words: str, task: str = "digits") -> dict[str, Any]:
    """A run with default options on all processors, in a separate process."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "core", f"task={task}", f"hydra.run.dir={folder}", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return text_runs.report(folder)


def test_a_few_epochs_from_scratch_learn_most_of_it(program: Program, tmp_path: Path) -> None:
    words = ("task=digits", "model=resnet", "model.init=scratch", "train.epochs=3", f"hydra.run.dir={tmp_path / 'run'}")
    ended = program.run(*words, seconds=600)
    assert ended.code == 0, ended.err
    report = text_runs.report(tmp_path / "run")
    assert report["scores"]["test"]["accuracy"]["value"] >= 0.90
    assert report["scores"]["baselines"]["pixels_linear"]["accuracy"]["value"] > 0.9
    assert report["self_test"]["passed"]


@pytest.mark.nightly
def test_resnet_at_its_defaults(tmp_path: Path) -> None:
    report = trained(tmp_path / "run", "model=resnet")
    assert report["init"] == "scratch"
    assert report["scores"]["test"]["accuracy"]["value"] >= 0.97
    assert report["seconds"] < 60


@pytest.mark.nightly
def test_vit_at_its_defaults(tmp_path: Path) -> None:
    report = trained(tmp_path / "run", "model=vit")
    assert report["scores"]["test"]["accuracy"]["value"] >= 0.93
    assert report["seconds"] < 120


@pytest.mark.nightly
def test_yolo_at_its_defaults(tmp_path: Path) -> None:
    pytest.importorskip("ultralytics")
    report = trained(tmp_path / "run", "model=yolo", task="digit_scenes")
    assert report["scores"]["test"]["map50"]["value"] >= 0.75
    assert report["seconds"] < 360


@pytest.mark.nightly
def test_fcos_at_its_defaults(tmp_path: Path) -> None:
    report = trained(tmp_path / "run", "model=fcos", task="digit_scenes")
    assert report["init"] == "scratch"
    assert report["scores"]["test"]["map50"]["value"] >= 0.50
