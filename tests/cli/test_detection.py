"""Detection on the command line: train, predict, and resume after a kill with mosaic and a moving average."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import text_runs
from PIL import Image
from program_server import Program

pytestmark = pytest.mark.skipif(find_spec("ultralytics") is None, reason="the yolo extra is not installed")
WORDS = (
    "task=digit_scenes", "data.scenes=40", "data.size=64", "data.objects=2", "data.max_size=30", "model.init=scratch",
    "model.width=0.125", "model.depth=0.34", "model.image_size=64", "train.batch_size=8", "train.max_steps=12",
    "train.epochs=4", "train.bootstrap_resamples=20", "train.precision=fp32", "train.device=cpu", "train.log_steps=2",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained_run(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("detection") / "run"
    ended = program.run(*WORDS, f"hydra.run.dir={run}")
    assert ended.code == 0, ended.err
    return run


def test_a_run_writes_all_files(trained_run: Path) -> None:
    report = text_runs.report(trained_run)
    assert report["status"] == "completed"
    assert report["self_test"]["passed"]
    assert set(report["scores"]["test"]) >= {"map50_95", "map50", "map75", "mar", "precision", "recall", "f1"}
    assert report["scores"]["baselines"] == {}
    assert 0 <= report["thresholds"]["objects"] <= 1
    for name in ("samples.png", "predictions.png"):
        assert Image.open(trained_run / name).size[0] > 200
    assert (trained_run / "model" / "yolo.pt").is_file()
    assert (trained_run / "model" / "model.safetensors").is_file()
    rows = text_runs.lines((trained_run / "predictions.jsonl").read_text())
    assert len(rows) == report["data"]["sizes"]["test"]
    assert all(len(each["box"]) == 4 for row in rows for each in row["target"])


def test_predict_writes_objects_and_pictures(program: Program, trained_run: Path, tmp_path: Path) -> None:
    Image.new("RGB", (50, 90), "gray").save(tmp_path / "one.png")
    ended = program.run("predict", trained_run, tmp_path / "one.png", "--pictures", tmp_path / "drawn")
    assert ended.code == 0, ended.err
    (row,) = text_runs.lines(ended.out)
    assert row["image"].endswith("one.png")
    assert isinstance(row["objects"], list)
    assert len(list((tmp_path / "drawn").iterdir())) == 1


def test_killed_and_resumed_it_ends_the_same(program: Program, tmp_path: Path) -> None:
    words = (*WORDS, "train.ema=0.9", "train.checkpoint_steps=2", "train.workers=2", "model.mosaic=1.0")
    program.killed_and_resumed(words, tmp_path)
