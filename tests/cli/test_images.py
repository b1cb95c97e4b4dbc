"""Images on the command line: train, predict, resume after a kill, and all sorts of bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import image_runs
import numpy as np
import pytest
import text_runs
import timm
import torch
from PIL import Image
from program_server import Program
from safetensors.torch import load_file
from timm.data import create_transform, resolve_model_data_config


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_runs.folder(tmp_path_factory.mktemp("photos") / "photos")


@pytest.fixture(scope="module")
def trained_run(program: Program, photos: Path) -> Path:
    run = photos.parent / "run"
    ended = program.run(*image_runs.words(photos, "train.max_steps=40", "train.epochs=20"), f"hydra.run.dir={run}")
    assert ended.code == 0, ended.err
    return run


def test_a_run_learns_and_writes_all_files(trained_run: Path) -> None:
    report = text_runs.report(trained_run)
    assert report["status"] == "completed"
    assert report["init"] == "scratch"
    assert report["self_test"]["passed"]
    assert report["data"]["labels"] == ["dark", "light", "striped"]
    assert report["scores"]["test"]["accuracy"]["value"] > 0.6
    assert Image.open(trained_run / "samples.png").size[0] > 500
    rows = text_runs.lines((trained_run / "predictions.jsonl").read_text())
    assert {row["target"] for row in rows} == {"dark", "light", "striped"}
    assert all(Path(row["image"]).is_file() for row in rows)


def test_predict_takes_files_folders_and_globs(program: Program, trained_run: Path, photos: Path) -> None:
    one = photos / "light" / "1.png"
    ended = program.run("predict", trained_run, one, photos / "dark", str(photos / "striped" / "*.png"))
    assert ended.code == 0, ended.err
    rows = text_runs.lines(ended.out)
    assert len(rows) == 1 + 15 + 15
    assert rows[0]["image"] == str(one)
    assert rows[0]["label"] in rows[0]["probabilities"]
    test = {row["image"]: row for row in text_runs.lines((trained_run / "predictions.jsonl").read_text())}
    known = [row for row in rows if row["image"] in test]
    assert known
    for row in known:
        assert row["label"] == test[row["image"]]["label"]


def test_predict_names_what_it_cannot_read_and_predicts_the_rest(
    program: Program, trained_run: Path, tmp_path: Path
) -> None:
    folder = image_runs.folder(tmp_path / "new", 6)
    (folder / "dark" / "cut.png").write_bytes((folder / "dark" / "0.png").read_bytes()[:70])
    (folder / "dark" / "empty.jpg").write_bytes(b"")
    ended = program.run("predict", trained_run, folder, tmp_path / "nowhere.png", "--format", "csv")
    assert ended.code == 2
    assert len(ended.out.splitlines()) == 1 + 6
    assert ended.out.startswith("image,label,p(dark)")
    for name in ("cut.png", "empty.jpg", "nowhere.png"):
        assert name in ended.err
    assert "Traceback" not in ended.err


def test_the_saved_folder_opens_in_timm_and_gives_the_predictions_of_the_run(trained_run: Path) -> None:
    model = timm.create_model(f"local-dir:{trained_run / 'model'}", pretrained=True).eval()
    transform = create_transform(**resolve_model_data_config(model), is_training=False)
    labels = model.pretrained_cfg["label_names"]
    for row in text_runs.lines((trained_run / "predictions.jsonl").read_text()):
        image = transform(Image.open(row["image"]).convert("RGB"))
        with torch.no_grad():
            probabilities = model(image[None]).softmax(dim=-1)[0]
        expected = [row["probabilities"][label] for label in labels]
        np.testing.assert_allclose(probabilities.numpy(), expected, atol=2e-5)


def test_a_trained_folder_is_the_base_of_another_run(program: Program, trained_run: Path, tmp_path: Path) -> None:
    for method in ("head", "freeze", "lora", "full"):
        run = tmp_path / method
        ended = program.run(
            *image_runs.DIGITS, "model.init=pretrained", f"model.checkpoint={trained_run / 'model'}",
            f"method={method}", f"hydra.run.dir={run}",
        )  # fmt: skip
        assert ended.code == 0, ended.err
        report = text_runs.report(run)
        assert report["init"] == "pretrained"
        assert report["self_test"]["passed"]
        assert timm.create_model(f"local-dir:{run / 'model'}", pretrained=True).num_classes == 10
        before, after = (load_file(folder / "model" / "model.safetensors") for folder in (trained_run, run))
        changed = {name for name in before if name in after and before[name].shape == after[name].shape}
        changed = {name for name in changed if not torch.equal(before[name], after[name])}
        first = {name for name in changed if name.startswith("conv1.0")}
        assert bool(first) == (method == "full")
        statistics = {name for name in changed if "running" in name}
        assert bool(statistics) == (method in ("full", "freeze"))


def test_several_labels_with_thresholds_that_are_stored_and_used(program: Program, tmp_path: Path) -> None:
    table, run = image_runs.several(tmp_path / "photos"), tmp_path / "run"
    words = [f"task=image_multilabel data.path={table} data.val_fraction=0.3"]
    ended = program.run(
        *words[0].split(), *image_runs.MODEL, *image_runs.TRAIN, "train.max_steps=30", "train.epochs=20",
        f"hydra.run.dir={run}",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    thresholds = text_runs.report(run)["thresholds"]
    assert set(thresholds) == {"dark", "even", "light", "striped"}
    assert json.loads((run / "model" / "config.json").read_text())["graft"]["thresholds"] == thresholds
    ended = program.run("predict", run, tmp_path / "photos" / "dark")
    for row in text_runs.lines(ended.out):
        assert row["labels"] == [label for label, p in row["probabilities"].items() if p >= thresholds[label]]


@pytest.mark.parametrize("workers", [(), ("train.workers=2", "model.cache_mb=0")], ids=["cached", "decoded anew"])
def test_killed_and_resumed_it_ends_the_same(
    program: Program, photos: Path, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    """With strong augmentation, pairs mixed, batch norm, a moving average, and images decoded in workers."""
    words = image_runs.words(
        photos, "model.augment=strong", "train.ema=0.9", "train.checkpoint_steps=2", "train.max_steps=30",
        "train.epochs=30", *workers,
    )  # fmt: skip
    whole, killed = program.killed_and_resumed(words, tmp_path, after=0.1)
    assert (whole / "samples.png").read_bytes() == (killed / "samples.png").read_bytes()


def refused(program: Program, *words: Any) -> str:
    ended = program.run(*words)
    assert ended.code == 2, ended.err
    assert "Traceback" not in ended.err
    return ended.err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("method=head",), "from scratch has none"),
        (("model.augment=non",), "none"),
        (("model.imagesize=3",), "image_size"),
        (("metrics=regression",), "single"),
        (("model=roberta",), "text-classification"),
        (("model.mixup=0.7", "model.cutmix=0.7"), "at most 1"),
    ],
)
def test_bad_options_are_refused_before_data_is_read(
    program: Program, photos: Path, tmp_path: Path, more: tuple[str, ...], message: str
) -> None:
    run = tmp_path / "run"
    words = [word for word in image_runs.words(photos) if not (more[0].startswith("model=") and "model" in word)]
    assert message in refused(program, *words, *more, f"hydra.run.dir={run}")
    assert not run.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("dark/cut.jpg", None, "cut off"),
        ("dark/empty.png", b"", "empty"),
        ("dark/text.png", b"This is a text.", "not an image"),
    ],
)
def test_a_bad_image_ends_the_run_with_its_name_or_is_skipped(
    program: Program, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    photos = image_runs.folder(tmp_path / "photos")
    if content is None:
        Image.effect_noise((64, 64), 50).save(photos / name)
        content = (photos / name).read_bytes()[:900]
    (photos / name).write_bytes(content)
    words = image_runs.words(photos, f"hydra.run.dir={tmp_path / 'run'}")
    said = refused(program, *words)
    assert name in said
    assert message in said
    assert "data.on_bad_row=skip" in said
    ended = program.run(*words, "data.on_bad_row=skip", f"hydra.run.dir={tmp_path / 'other'}")
    assert ended.code == 0, ended.err
    findings = text_runs.report(tmp_path / "other")["data"]["findings"]
    assert any(name in " ".join(finding["places"]) for finding in findings)


def test_one_class_and_an_empty_class(program: Program, tmp_path: Path) -> None:
    photos = image_runs.folder(tmp_path / "photos")
    (photos / "nothing").mkdir()
    assert "nothing" in refused(program, *image_runs.words(photos, f"hydra.run.dir={tmp_path / 'run'}"))
    said = refused(program, *image_runs.words(photos / "dark", f"hydra.run.dir={tmp_path / 'other'}"))
    assert "holds no folders of classes" in said
    alone = tmp_path / "alone"
    alone.mkdir()
    (photos / "dark").rename(alone / "dark")
    said = refused(program, *image_runs.words(alone, f"hydra.run.dir={tmp_path / 'third'}"))
    assert "every example has the label 'dark', so there is nothing to learn" in said


def test_check_prints_the_estimate_and_the_input_size(program: Program, photos: Path) -> None:
    words = [word for word in image_runs.words(photos) if "image_size" not in word]
    ended = program.run("check", *words)
    assert ended.code == 0, ended.err
    assert "32×32" in ended.out
    assert "activations" in ended.out


def test_check_of_a_transformer_sees_images_of_the_size_it_reads(program: Program, photos: Path) -> None:
    words = image_runs.words(photos, "model.scratch=test_vit", "model.image_size=32")
    ended = program.run("check", *words)
    assert ended.code == 0, ended.err
    assert "activations" in ended.out
