"""Detection with Graft and with Ultralytics' own trainer: the same files and architecture, scored alike.

Covers: benchmarks/peers/detection_ultralytics.py, benchmarks/peers/program.py
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import scene_samples

from benchmarks import __main__ as program
from benchmarks.peers import detection, measurements
from benchmarks.peers.detection import DetectionOptions
from benchmarks.peers.program import Asked
from benchmarks.peers.text import DATA
from core.config.compose import resolve
from core.contracts.components import RunConfig
from core.training.requests import request_for

pytestmark = pytest.mark.skipif(find_spec("ultralytics") is None, reason="the yolo extra is not installed")
SMALL = ["model.width=0.125", "model.depth=0.34", "seed=3"]


def overrides_of(folder: Path, **more: Any) -> list[str]:
    options = DetectionOptions(image_size=64, batch_size=8, epochs=1, **{"examples": 16, **more})
    return [*detection.describe(options, folder).overrides, *SMALL]


def test_the_work_is_graft_s_own_command_line(tmp_path: Path) -> None:
    work = detection.describe(DetectionOptions(examples=4, max_steps=2, image_size=96), tmp_path)
    config = resolve(work.overrides)
    assert (config.train.epochs, config.train.batch_size, config.train.max_steps) == (36.0, 16, 2)
    assert (config.model.name, config.model.image_size) == ("ultralytics", 96)  # type: ignore[attr-defined]
    splits = config.data.load(config.task, 0)
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [4, 4, 4]
    assert work.config[measurements.METRIC] == "map50"


def test_a_missing_data_set_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(DATA, raising=False)
    assert program.main(["peers", "kind=detection", "data=bccd"]) == 2
    assert DATA in capsys.readouterr().err


def test_both_train_the_same_architecture(tmp_path: Path) -> None:
    from plugins.detection.yolo.ultralytics import library

    library()  # imports it without its patches
    from ultralytics import YOLO

    from benchmarks.peers.detection_ultralytics import _architecture

    folder = tmp_path / "run"
    folder.mkdir()
    config = resolve(overrides_of(tmp_path))
    splits = config.data.load(config.task, 0)
    theirs = YOLO(str(_architecture(Asked(config, splits, {}, folder))), task="detect").model
    ours = config.model.load(request_for(config, splits, _cpu(config))).module
    shapes = [{name: value.shape for name, value in each.state_dict().items()} for each in (theirs, ours)]
    assert shapes[0] == shapes[1]


def _cpu(config: RunConfig) -> Any:
    from core.runtime.hardware import Hardware

    return Hardware("cpu", "fp32")


def test_its_trainer_trains_is_timed_and_scored_and_its_pickle_starts_a_run(tmp_path: Path) -> None:
    """A real `.pt` file, as Ultralytics' trainer leaves it, is read where it is trusted, head included."""
    import torch

    from benchmarks.peers import detection_ultralytics as peer
    from plugins.detection.plugin import Ultralytics

    folder = tmp_path / "run"
    folder.mkdir()
    peer.DEFAULTS.command(overrides_of(tmp_path), folder)
    threads = torch.get_num_threads()
    result = peer.work(Asked.read(folder))
    torch.set_num_threads(threads)  # Ultralytics sets it
    assert result.detail["steps"] == 2
    assert result.examples == 16
    assert 0 < (result.data_wait_seconds or 0) < result.train_seconds
    assert set(result.scores) == {"map50", "map50_95"}
    assert all(0 <= value <= 1 for value in result.scores.values())
    assert result.parameters["total"] > 10_000

    weights = folder / "trained" / "weights" / "best.pt"
    model = Ultralytics(checkpoint=str(weights), trust=True, image_size=64).load(
        scene_samples.load_request(scene_samples.examples(2))
    )
    held = torch.load(weights, weights_only=False)["model"].float().state_dict()
    ours = model.module.state_dict()
    assert model.provenance.init == "pretrained"
    same = [name for name in ours if name in held and held[name].shape == ours[name].shape]
    assert len(same) > 0.9 * len(ours)
    assert all(torch.equal(ours[name], held[name]) for name in same if ".cv3." not in name)


def test_examples_are_counted_where_an_epoch_s_last_step_is_smaller() -> None:
    from benchmarks.peers.detection_ultralytics import _seen

    assert [_seen(steps, 16, 40) for steps in (1, 2, 3, 4, 6)] == [16, 32, 40, 56, 80]


@pytest.mark.nightly
def test_the_whole_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["rounds=1", "epochs=1", "batch_size=8", "image_size=64", "examples=24", f"out={tmp_path / 'out'}"]
    assert program.main(["peers", "kind=detection", *asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["peer"] for row in found["rows"]] == ["ultralytics", "ultralytics-tuned", "graft"]
    assert len({row["trainable"] for row in found["rows"]}) == 1


PARITY = {"digit_scenes": ["image_size=128", "epochs=36"], "bccd": ["image_size=128", "epochs=60"]}


@pytest.mark.nightly
@pytest.mark.parametrize("data", PARITY)
def test_parity(data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three seeds each: no lower than theirs by more than the seeds are apart."""
    if data == "bccd" and not os.environ.get(DATA):
        pytest.skip(f"{DATA} names no folder of real data")
    words = [f"data={data}", *PARITY[data], "rounds=3", "only=ultralytics,graft", "timeout_minutes=60"]
    assert program.main(["peers", "kind=detection", *words, f"out={tmp_path / 'out'}", "--json"]) == 0
    theirs, ours = json.loads(capsys.readouterr().out)["rows"]
    assert theirs["score"] > 0.3
    assert ours["score"] >= theirs["score"] - max(theirs["score_sd"], ours["score_sd"])
