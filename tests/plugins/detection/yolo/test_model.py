"""YOLO in Graft's loop: its loss is Ultralytics', finite in bfloat16; it learns; its parts have names.

Covers: plugins/detection/yolo/loading.py, plugins/detection/yolo/network.py, plugins/detection/yolo/options.py,
plugins/detection/options.py, plugins/detection/plugin.py, plugins/detection/preview.py
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scene_samples
import torch

from core.contracts.components import RunConfig
from core.contracts.model import TrainingPlan
from core.contracts.train_config import TrainConfig
from core.data.batching import example_rng
from core.evaluation.predict import predict
from core.registry import load_registry
from core.runtime.hardware import Hardware
from core.runtime.modules import training_mode
from core.tasks.task import Task
from core.training.optimizer import build_optimizer
from plugins.detection.plugin import Ultralytics
from plugins.detection.yolo.model import YoloModel
from plugins.detection.yolo.network import BRANCHES
from plugins.methods.lora import Lora
from plugins.methods.selective import Full, Head

TINY = {"init": "scratch", "width": 0.125, "depth": 0.34}
CPU = Hardware("cpu", "fp32")


def loaded(n: int = 8, objects: int | None = None, **options: Any) -> tuple[YoloModel, list[Any]]:
    split = scene_samples.examples(n, objects=objects)
    model = Ultralytics(**{**TINY, **options}).load(scene_samples.load_request(split))
    assert isinstance(model, YoloModel)
    return model, split


def batch_of(model: YoloModel, split: list[Any], train: bool = True) -> dict[str, torch.Tensor]:
    prepared = model.prepare(split, train=train)
    return model.collate([prepared.fetch(row, 0, example_rng(0, 0, row)) for row in range(len(split))])


@pytest.mark.parametrize("version", ["26", "11", "8"])
def test_the_loss_is_ultralytics_own(version: str) -> None:
    model, split = loaded(version=version)
    batch = batch_of(model, split)
    training_mode(model.module)
    state = {name: value.clone() for name, value in model.module.state_dict().items()}
    ours = model.loss(batch)
    model.module.load_state_dict(state)  # running statistics
    network: Any = model.module
    theirs, _ = network({**batch, "img": batch["img"].float() / 255})
    torch.testing.assert_close(ours, theirs.sum() / len(split))


def test_with_two_heads_their_shares_shift_as_ultralytics_shifts_them() -> None:
    model, split = loaded(one_to_one=True)
    model.on_train_start(TrainingPlan(100, 11.0))
    prepared = model.prepare(split, train=True)
    network: Any = model.module.eval()
    criterion = network.init_criterion()
    criterion.one2one.hyp.epochs = 11
    for epoch in range(11):
        batch = model.collate([prepared.fetch(row, epoch, example_rng(0, epoch, row)) for row in range(4)])
        with torch.no_grad():
            theirs, _ = criterion(network(batch["img"].float() / 255), batch)
            torch.testing.assert_close(model.loss(batch), theirs.sum() / 4)
        criterion.update()


@pytest.mark.parametrize("options", [{}, {"one_to_one": True}, {"version": "11"}])
@pytest.mark.parametrize("objects", [0, 3])
def test_losses_are_finite_in_bfloat16_and_close_to_those_in_full(options: dict[str, Any], objects: int) -> None:
    model, split = loaded(objects=objects, **options)
    batch = batch_of(model, split)
    training_mode(model.module)
    full = model.loss(batch)
    with torch.autocast("cpu", torch.bfloat16):
        half = model.loss(batch)
    assert (half.dtype, half.ndim) == (torch.float32, 0)
    half.backward()
    gradients = [p.grad for p in model.module.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(torch.isfinite(each).all()) for each in gradients)
    torch.testing.assert_close(half, full, rtol=0.05, atol=0.05)


def test_it_learns_scenes_by_heart_and_finds_their_objects() -> None:
    model, split = loaded(6, augment=False, width=0.25, image_size=64)
    batch = batch_of(model, split)
    optimizer = build_optimizer(model, Full(), TrainConfig(), 3e-3)
    training_mode(model.module)
    for layer in model.module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 0.3  # Ultralytics' 0.03 needs hundreds of steps
    for _ in range(80):
        loss = model.loss(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    found = predict(model, model.prepare(split, train=False), CPU, 3)
    hits = total = 0
    for example, each in zip(split, found, strict=True):
        for box, label in zip(example.target.corners, example.target.labels, strict=True):
            near = (np.abs(each.corners - np.asarray(box)).max(axis=1) < 6) & (each.labels == label)
            hits += bool(near[each.scores > 0.05].any())
            total += 1
    assert hits / total > 0.6


def test_predictions_lie_inside_the_image_and_are_capped() -> None:
    model, _ = loaded(max_detections=7)
    split = [*scene_samples.examples(3, 64, 48), *scene_samples.examples(3, 30, 90)]
    for example, each in zip(split, predict(model, model.prepare(split, train=False), CPU, 4), strict=True):
        assert each.corners.dtype == each.scores.dtype == np.float32
        assert each.labels.dtype == np.int64
        assert 0 < len(each) <= 7
        assert (np.diff(each.scores) <= 0).all()
        assert (each.corners >= 0).all()
        assert (each.corners[:, 2:] <= np.asarray(example.size)).all()


def test_predictions_in_bfloat16_keep_their_places() -> None:
    """Boxes are decoded in float32: scores differ a little, places by far less than a pixel in 256 allows."""
    model, split = loaded(2, image_size=256, score_threshold=0.0)
    full, half = (predict(model, model.prepare(split, train=False), Hardware("cpu", p), 2) for p in ("fp32", "bf16"))
    best = [sorted(each.corners[:, 0].tolist()) for each in (full[0], half[0])]
    assert len(full[0]) == len(half[0])
    assert np.abs(np.asarray(best[0]) - np.asarray(best[1])).mean() < 0.5


@pytest.mark.parametrize("version", ["26", "11", "8"])
def test_its_parts_are_named(version: str) -> None:
    model, _ = loaded(version=version)
    names = dict(model.module.named_parameters())
    assert [name for layer in model.layers for name in layer] == list(names)
    head = f"{model.heads[0]}."
    assert all(name.startswith(head) for name in model.layers[-1])
    assert not any(name.startswith(head) for layer in model.layers[:-1] for name in layer)
    modules = dict(model.module.named_modules())
    for name in model.adapter_targets:
        assert getattr(modules[name], "groups", 1) == 1
    assert not any("dfl" in name for name in names)  # its bins are a constant


def test_the_head_starts_as_ultralytics_starts_it() -> None:
    model, _ = loaded()
    head: Any = model.module.get_submodule(model.heads[0])
    for level, stride in zip(getattr(head, BRANCHES[0]), (8, 16, 32), strict=True):
        wanted = np.log(5 / 3 / (640 / stride) ** 2)
        np.testing.assert_allclose(level[-1].bias.detach().numpy(), wanted, rtol=1e-5)


@pytest.mark.parametrize("method", [Head(), Lora(rank=2)])
def test_what_is_frozen_stays_and_running_statistics_too(method: Any) -> None:
    model, split = loaded()
    adapted = method.apply(model, TrainingPlan(3, 1.0, augmented=True))
    before = {name: value.clone() for name, value in adapted.module.state_dict().items()}
    trained = {name for name, p in adapted.module.named_parameters() if p.requires_grad}
    optimizer = build_optimizer(adapted, method, TrainConfig(), 1e-2)
    prepared = adapted.prepare(split, train=True)
    training_mode(adapted.module)
    for epoch in range(2):
        batch = adapted.collate([prepared.fetch(row, epoch, example_rng(0, epoch, row)) for row in range(len(split))])
        adapted.loss(batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    after = adapted.module.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    head = model.heads[0]
    assert changed & trained
    assert all(
        name in trained or (f"{head}." in name and ("running" in name or "num_batches" in name)) for name in changed
    )


def test_a_sheet_shows_the_samples() -> None:
    model, split = loaded()
    page = model.preview(split, model.prepare(split, train=True), 0)
    colours = page.getcolors(page.width * page.height)
    assert colours is not None
    assert len(colours) > 100


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"image_size": 100}, "model.image_size"),
        ({"init": "pretrained"}, "model.checkpoint"),
        ({"checkpoint": "yolo26n.pt"}, "model.trust"),
        ({"width": 0.1}, "model.width"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], where: str) -> None:
    config = RunConfig(task=Task(type="object-detection", target="boxes"))
    assert [problem.where for problem in Ultralytics(**options).check(config)] == [where]
    assert not list(Ultralytics().check(config))


def test_another_target_is_refused() -> None:
    single = load_registry().target("single")
    assert not single.accepted_by(Ultralytics.targets)
    assert load_registry().target("boxes").accepted_by(Ultralytics.targets)
