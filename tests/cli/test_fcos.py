"""Detection without AGPL code: FCOS trains, predicts and resumes where Ultralytics is not installed."""

from __future__ import annotations

from pathlib import Path

import pytest
import text_runs
from PIL import Image
from program_server import Ended, Program

WORDS = (
    "task=digit_scenes", "model=fcos", "data.scenes=24", "data.size=64", "data.objects=2", "data.max_size=30",
    "model.init=scratch", "model.channels=64", "model.convolutions=1", "train.batch_size=4", "train.max_steps=6",
    "train.epochs=4", "train.bootstrap_resamples=20", "train.precision=fp32", "train.device=cpu", "train.log_steps=2",
)  # fmt: skip


def without_ultralytics(program: Program, *words: object) -> Ended:
    return program.run(*words, hidden=("ultralytics", "cv2"))


@pytest.fixture(scope="module")
def trained_run(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("fcos") / "run"
    ended = without_ultralytics(program, *WORDS, f"hydra.run.dir={run}")
    assert ended.code == 0, ended.err
    return run


def test_a_run_writes_all_files(trained_run: Path) -> None:
    report = text_runs.report(trained_run)
    assert report["status"] == "completed"
    assert report["self_test"]["passed"]
    assert report["model"]["loader"] == "torchvision"
    assert set(report["scores"]["test"]) >= {"map50_95", "map50", "map75", "mar", "precision", "recall", "f1"}
    for name in ("samples.png", "predictions.png"):
        assert Image.open(trained_run / name).size[0] > 200
    assert {each.name for each in (trained_run / "model").iterdir()} >= {"model.safetensors", "config.json"}


def test_predict_and_evaluate(program: Program, trained_run: Path, tmp_path: Path) -> None:
    Image.new("RGB", (50, 90), "gray").save(tmp_path / "one.png")
    ended = without_ultralytics(program, "predict", trained_run, tmp_path / "one.png", "--pictures", tmp_path / "drawn")
    assert ended.code == 0, ended.err
    (row,) = text_runs.lines(ended.out)
    assert row["image"].endswith("one.png")
    assert isinstance(row["objects"], list)
    assert len(list((tmp_path / "drawn").iterdir())) == 1
    ended = without_ultralytics(program, "evaluate", trained_run, "--json")
    assert ended.code == 0, ended.err


def test_yolo_is_refused_there_with_the_command_that_installs_it(program: Program) -> None:
    ended = without_ultralytics(program, "check", "task=digit_scenes", "model=yolo")
    assert ended.code == 2
    assert 'pip install "graft-tune[yolo]"' in ended.err


def test_killed_and_resumed_it_ends_the_same(program: Program, tmp_path: Path) -> None:
    words = (*WORDS, "train.ema=0.9", "train.checkpoint_steps=2", "train.workers=2")
    program.killed_and_resumed(words, tmp_path)
