"""A saved YOLO: Graft opens it without a pickle, Ultralytics finds the same boxes, and pickles need trust.

Covers: plugins/detection/saving.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scene_samples
import torch
from PIL import Image

from core.contracts.train_config import TrainConfig
from core.data.batching import example_rng
from core.errors import WeightsError
from core.evaluation.predict import predict
from core.runtime.hardware import Hardware
from core.runtime.modules import training_mode
from core.tasks.detection.boxes import Detections
from core.tasks.detection.target import BoxesTarget
from core.tasks.targets.encoded import objects
from core.testing.running import to_reopen
from core.training.optimizer import build_optimizer
from plugins.detection.plugin import Ultralytics
from plugins.detection.yolo.model import YoloModel
from plugins.detection.yolo.ultralytics import library
from plugins.methods.selective import Full

TINY = {"init": "scratch", "width": 0.125, "depth": 0.34}
CPU = Hardware("cpu", "fp32")


def trained(steps: int = 12, size: tuple[int, int] = (64, 64), **options: Any) -> tuple[YoloModel, list[Any]]:
    """A few steps, so that scores are apart and statistics are not those of the start."""
    split = scene_samples.examples(6, *size)
    model = Ultralytics(**{**TINY, "image_size": 64, **options}).load(scene_samples.load_request(split))
    assert isinstance(model, YoloModel)
    optimizer = build_optimizer(model, Full(), TrainConfig(), 3e-3)
    prepared = model.prepare(split, train=True)
    training_mode(model.module)
    for epoch in range(steps):
        batch = model.collate([prepared.fetch(row, epoch, example_rng(0, epoch, row)) for row in range(len(split))])
        model.loss(batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    model.module.eval()
    return model, split


def found(model: Any, split: list[Any]) -> np.ndarray:
    return predict(model, model.prepare(split, train=False), CPU, 4)


def by_ultralytics(folder: Path, split: list[Any], **options: Any) -> np.ndarray:
    """What `ultralytics.YOLO` finds in the same images, with the settings that Graft wrote beside the weights."""
    from ultralytics import YOLO

    settings = json.loads((folder / "config.json").read_text())["predict"] | options
    opened = YOLO(str(folder / "yolo.pt"))
    made = []
    for row, example in enumerate(split):
        image = Image.fromarray(scene_samples.scene(row, *example.size)[0])
        (result,) = opened.predict(image, verbose=False, save=False, **settings)
        boxes = result.boxes.cpu().numpy()
        made.append(Detections(boxes.xyxy, boxes.conf, boxes.cls.astype(np.int64)))
    return objects(made)


@pytest.mark.parametrize("options", [{}, {"one_to_one": True}, {"version": "11"}, {"version": "8"}])
def test_it_opens_again_and_predicts_the_same(options: dict[str, Any], tmp_path: Path) -> None:
    model, split = trained(**options)
    before = found(model, split)
    assert any(len(each) for each in before)
    model.save(tmp_path)
    again = Ultralytics(**{**TINY, **options}).reopen(to_reopen(model.request, tmp_path))
    assert BoxesTarget().difference(found(again, split), before) < 1e-6
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["label_names"] == list(scene_samples.LABELS)
    assert config["image_size"] == 64


@pytest.mark.parametrize(
    ("options", "size"),
    [({}, (64, 64)), ({}, (64, 40)), ({"one_to_one": True}, (64, 64)), ({"version": "11"}, (50, 50))],
)
def test_ultralytics_opens_it_and_finds_the_same_boxes(
    options: dict[str, Any], size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, split = trained(size=size, **options)
    model.save(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    theirs, ours = by_ultralytics(tmp_path / "model", split), found(model, split)
    assert sum(len(each) for each in ours) > 5
    assert BoxesTarget().difference(ours, theirs) < 1e-3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_the_names_and_the_size_are_in_the_export(tmp_path: Path) -> None:
    from ultralytics import YOLO

    model, _ = trained(1)
    model.save(tmp_path)
    opened = YOLO(str(tmp_path / "yolo.pt"))
    assert opened.names == dict(enumerate(scene_samples.LABELS))
    assert opened.overrides["imgsz"] == 64
    assert opened.task == "detect"
    assert YOLO(str(tmp_path / "model.yaml"), verbose=False).model.yaml["nc"] == 3


def test_saving_changes_nothing_and_saves_the_same_each_time(tmp_path: Path) -> None:
    model, split = trained(2)
    before = found(model, split)
    for name in ("one", "two"):
        model.save(tmp_path / name)
    assert BoxesTarget().difference(found(model, split), before) == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_pickle_is_read_only_where_it_is_trusted(tmp_path: Path) -> None:
    model, split = trained(2)
    model.save(tmp_path)
    path = str(tmp_path / "yolo.pt")
    with pytest.raises(WeightsError, match="may run any code"):
        Ultralytics(checkpoint=path).load(scene_samples.load_request(split))
    with pytest.raises(WeightsError, match="does not download it"):
        Ultralytics(checkpoint="yolo26n.pt", trust=True).load(scene_samples.load_request(split))
    with pytest.raises(WeightsError, match="not the file that was pinned"):
        Ultralytics(checkpoint=path, trust=True, sha256="0" * 64).load(scene_samples.load_request(split))
    (tmp_path / "torn.pt").write_bytes(b"not a pickle")
    with pytest.raises(WeightsError, match="cannot read"):
        Ultralytics(checkpoint=str(tmp_path / "torn.pt"), trust=True).load(scene_samples.load_request(split))
    opened = Ultralytics(checkpoint=path, trust=True, image_size=64).load(scene_samples.load_request(split))
    assert opened.provenance.init == "pretrained"
    assert len(opened.provenance.sha256) == 64
    assert BoxesTarget().difference(found(opened, split), found(model, split)) < 1e-6


@pytest.mark.parametrize("as_pickle", [True, False])
def test_other_labels_keep_the_backbone_and_the_rows_of_labels_of_the_same_name(
    as_pickle: bool, tmp_path: Path
) -> None:
    """Labels enough that Ultralytics makes the head's hidden layers wider: they stay so, also when saved again."""
    many = (*(f"label{number}" for number in range(70)), "dot")
    split = scene_samples.examples(4)
    base = Ultralytics(**TINY).load(scene_samples.load_request(split, labels=many, seed=1))
    base.save(tmp_path / "base")
    checkpoint = str(tmp_path / "base" / ("yolo.pt" if as_pickle else ""))
    tuned = Ultralytics(checkpoint=checkpoint, trust=as_pickle).load(scene_samples.load_request(split))
    one, other = base.module.state_dict(), tuned.module.state_dict()
    same = [name for name in one if one[name].shape == other[name].shape and torch.equal(one[name], other[name])]
    assert len(one) - len(same) == 6  # weights and biases of three sizes of object
    row = "model.23.cv3.0.2.weight"
    assert torch.equal(other[row][scene_samples.LABELS.index("dot")], one[row][-1])
    tuned.save(tmp_path / "tuned")
    again = Ultralytics().reopen(to_reopen(tuned.request, tmp_path / "tuned"))  # type: ignore[attr-defined]
    assert BoxesTarget().difference(found(again, split), found(tuned, split)) < 1e-6


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not contain YOLO"):
        Ultralytics(checkpoint=str(tmp_path)).load(scene_samples.load_request(scene_samples.examples(2)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nc: 3", "nc: 3\nactivation: __import__('pathlib').Path('ran').touch()"),
        ("- Conv\n", "- check_requirements\n"),
        ("- nn.Upsample", "- os.system"),
    ],
)
def test_an_architecture_that_would_run_code_is_refused(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, split = trained(1)
    model.save(tmp_path / "model")
    plan = tmp_path / "model" / "model.yaml"
    assert old in plan.read_text()
    plan.write_text(plan.read_text().replace(old, new, 1))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="not a layer"):
        Ultralytics(checkpoint=str(tmp_path / "model")).load(scene_samples.load_request(split))
    assert not (tmp_path / "ran").exists()


def test_the_same_seed_starts_the_same_and_global_torch_is_left_alone() -> None:
    split = scene_samples.examples(2)
    torch.manual_seed(3)
    wanted = torch.rand(())
    torch.manual_seed(3)
    one, two = (Ultralytics(**TINY).load(scene_samples.load_request(split, seed=5)) for _ in range(2))
    assert torch.equal(torch.rand(()), wanted)
    other = Ultralytics(**TINY).load(scene_samples.load_request(split, seed=6))
    first, second, third = (each.module.state_dict()["model.0.conv.weight"] for each in (one, two, other))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    assert library().version
