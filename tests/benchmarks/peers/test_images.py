"""Images with Graft and with its peers: the same files and starting weights, and a result with every field.

Covers: benchmarks/peers/images_timm.py, benchmarks/peers/images_trainer.py, benchmarks/peers/hub.py,
benchmarks/peers/program.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import __main__ as program
from benchmarks.peers import command, images, images_timm, images_trainer, measure, measurements
from benchmarks.peers.images import ImageOptions
from benchmarks.peers.program import WORK, Asked, Program
from benchmarks.peers.text import DATA
from core.config.compose import resolve
from core.runtime.hardware import Hardware, bf16_native
from core.training.requests import request_for

PROGRAMS = [images_timm.DEFAULTS, images_timm.TUNED, images_trainer.DEFAULTS, images_trainer.TUNED]
PER_CLASS, COLOURS = 16, {"blue": (20, 30, 200), "red": (200, 30, 20)}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder a class, with files whose names say nothing."""
    rng, folder = np.random.default_rng(0), tmp_path / "two colours"
    for label, colour in COLOURS.items():
        (folder / label).mkdir(parents=True)
        for number in range(PER_CLASS):
            noise = rng.integers(-20, 21, (40, 36, 3))
            pixels = np.clip(np.asarray(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


def overrides_of(folder: Path, model: str = "resnet18", **more: int) -> list[str]:
    options = ImageOptions(data=str(folder), model=model, image_size=32, batch_size=8, epochs=1, **more)
    return [*images.describe(options, folder).overrides, "seed=3"]


def ask(peer: Program, overrides: list[str], folder: Path) -> Asked:
    folder.mkdir()
    peer.command(overrides, folder)
    return Asked.read(folder)


def test_the_work_is_graft_s_own_command_line(pictures: Path) -> None:
    options = ImageOptions(data=str(pictures), model="vit_tiny", examples=9, max_steps=2)
    work = images.describe(options, pictures)
    config = resolve([*work.overrides, "seed=1"])
    assert (config.train.epochs, config.train.batch_size, config.train.max_steps) == (15.0, 32, 2)
    assert config.model.scratch_args == {"patch_size": 8, "embed_dim": 192, "depth": 12, "num_heads": 3}  # type: ignore[attr-defined]
    assert config.data.max_examples == 9  # type: ignore[attr-defined]
    assert (work.suffix, work.config["data"], work.config["epochs"]) == ("vit_tiny", "two colours", 15)


def test_missing_images_are_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(DATA, raising=False)
    assert program.main(["suite=peers", "kind=images"]) == 2
    assert f"set {DATA} to a folder that contains sign_digits" in capsys.readouterr().err
    assert program.main(["peers", "kind=images", "data=/nowhere"]) == 2
    assert "there is no folder /nowhere" in capsys.readouterr().err


def test_each_type_of_work_has_its_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["peers", "kind=image"]) == 2
    assert "Did you mean 'images'?" in capsys.readouterr().err
    assert program.main(["peers", "image_size=32"]) == 2
    assert "is not an option of peers kind=text" in capsys.readouterr().err
    assert program.main(["peers", "kind=images", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("image_size=64", "timm-tuned", "trainer-tuned", "kind=images"))


@pytest.mark.parametrize("model", list(images.NETWORKS))
def test_every_peer_starts_from_the_weights_that_graft_starts_from(pictures: Path, model: str) -> None:
    config = resolve(overrides_of(pictures, model))
    splits = config.data.load(config.task, config.seed)
    own = config.model.load(request_for(config, splits, Hardware("cpu", "fp32"))).module.state_dict()
    network, given = images.network(config, len(splits.labels))
    assert given.get("img_size") == (32 if model == "vit_tiny" else None)
    theirs = network.state_dict()
    assert list(theirs) == list(own)
    assert all(torch.equal(theirs[name], own[name]) for name in own)


def test_other_libraries_read_the_files_of_graft_s_split(pictures: Path, tmp_path: Path) -> None:
    config = resolve(overrides_of(pictures))
    splits = config.data.load(config.task, config.seed)
    folder = images.link(splits, tmp_path / "linked")
    for name, examples in (("train", splits.train), ("test", splits.test)):
        linked = {(path.parent.name, path.resolve()) for path in (folder / name).glob("*/*")}
        assert linked == {(splits.labels[each.target], each.image.resolve()) for each in examples}


@pytest.mark.filterwarnings("ignore::UserWarning")  # of more workers than cores, and of pinned memory
@pytest.mark.parametrize("peer", PROGRAMS, ids=lambda peer: peer.name)
def test_a_program_trains_and_reports_every_field(peer: Program, pictures: Path, tmp_path: Path) -> None:
    module = images_timm if peer.module == images_timm.MODULE else images_trainer
    work = ask(peer, [*overrides_of(pictures), "model.scratch=test_resnet"], tmp_path / "run")
    result = module.work(work)
    steps = len(work.splits.train) // 8 if module is images_timm else -(-len(work.splits.train) // 8)
    assert result.detail["steps"] == steps
    assert result.examples == (steps * 8 if module is images_timm else len(work.splits.train))
    assert 0 <= result.scores["accuracy"] <= 1
    assert result.parameters["trainable"] == result.parameters["total"] > 0
    assert result.data_wait_seconds is not None
    assert 0 < result.data_wait_seconds < result.train_seconds
    assert result.precision == ("bf16" if "tuned" in peer.name and bf16_native("cpu") else "fp32")
    assert result.detail["learning_rate"] == images.LEARNING_RATE
    assert result.detail["settings"] == json.loads((tmp_path / "run" / WORK).read_text())["settings"]


def test_the_place_of_the_images_stays_out_of_the_record(tmp_path: Path) -> None:
    command = measure.readable(['data.path="/home/me/my photos/cats"', "data.val=/home/me/v.tsv"], tmp_path)
    assert command == "'data.path=\"DATA/cats\"' data.val=DATA/v.tsv"


def test_a_channels_last_batch_is_one() -> None:
    batch = images_trainer.Stacked(True)([{"pixel_values": torch.zeros(3, 4, 4), "labels": 1}] * 2)
    assert batch["pixel_values"].is_contiguous(memory_format=torch.channels_last)
    assert batch["labels"].tolist() == [1, 1]


def test_waiting_for_data_is_shown_and_old_files_without_it_too() -> None:
    found = [
        {"peer": "graft", "train_seconds": 10.0, "data_wait_seconds": 1.0},
        {"peer": "timm", "train_seconds": 20.0},
    ]
    same = {
        "round": 1, "summary": "", "status": "completed", "error": None, "config": {}, "environment": {},
        "examples_per_second": 5.0, "wall_seconds": 20.0, "peak_rss_mb": 1.0, "scores": {"accuracy": 0.8},
        "parameters": {"total": 9, "trainable": 9}, "precision": "fp32",
    }  # fmt: skip
    graft, timm = measurements.rows([same | each for each in found])
    assert (graft.wait_seconds, graft.wait_share, timm.wait_seconds) == (1.0, 0.1, None)
    assert "1.0 s (10.0%)" in measurements.markdown([same | each for each in found])


@pytest.mark.nightly
def test_the_whole_comparison(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["rounds=1", "epochs=1", "batch_size=8", "image_size=32", f"data={pictures}", f"out={tmp_path / 'out'}"]
    assert program.main(["peers", "kind=images", *asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["peer"] for row in found["rows"]] == [peer.name for peer in command.WORKS["images"].peers]
    assert len({row["trainable"] for row in found["rows"]}) == 1
    assert all(row["wait_share"] < 1 and row["score"] is not None for row in found["rows"])
    entries = measurements.read([tmp_path / "out"])
    assert all(each["data_wait_seconds"] >= 0 and each["train_seconds"] > 0 for each in entries)
    assert all('data.path="DATA/' in each["work"].replace("'", "") for each in entries)
    assert "waiting for data" in (tmp_path / "out" / "README.md").read_text()
