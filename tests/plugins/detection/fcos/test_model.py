"""FCOS in Graft's loop: its loss is torchvision's, it learns, and torchvision opens what is saved.

Covers: plugins/detection/fcos/loading.py, plugins/detection/fcos/network.py, plugins/detection/fcos/options.py,
plugins/detection/fcos/saving.py, plugins/detection/defaults.py, plugins/detection/preview.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import narrow_resnet
import numpy as np
import pytest
import scene_samples
import torch
from safetensors.torch import load_file, save_file

from core.contracts.components import RunConfig
from core.contracts.model import TrainingPlan
from core.contracts.train_config import TrainConfig
from core.data.batching import example_rng
from core.errors import WeightsError
from core.evaluation.predict import predict
from core.runtime.hardware import Hardware
from core.runtime.modules import training_mode
from core.tasks.task import Task
from core.training.optimizer import build_optimizer
from plugins.detection.fcos import network as parts
from plugins.detection.fcos.model import FcosModel
from plugins.detection.fcos.network import FULL, MEAN, STD, FcosArchitecture
from plugins.detection.plugin import Torchvision
from plugins.methods.lora import Lora
from plugins.methods.selective import Freeze, Full, Head

SMALL = {"init": "scratch", "channels": 64, "convolutions": 1}
CPU = Hardware("cpu", "fp32")


def loaded(n: int = 8, objects: int | None = None, **options: Any) -> tuple[FcosModel, list[Any]]:
    split = scene_samples.examples(n, objects=objects)
    model = Torchvision(**{**SMALL, **options}).load(scene_samples.load_request(split))
    assert isinstance(model, FcosModel)
    return model, split


def batch_of(model: FcosModel, split: list[Any], train: bool = True) -> dict[str, torch.Tensor]:
    prepared = model.prepare(split, train=train)
    return model.collate([prepared.fetch(row, 0, example_rng(0, 0, row)) for row in range(len(split))])


def as_torchvision_takes(batch: dict[str, torch.Tensor]) -> tuple[list[torch.Tensor], list[dict[str, torch.Tensor]]]:
    """A batch as a list of images from 0 to 1, and a list of targets."""
    counts = batch["counts"].tolist()
    boxes, labels = batch["corners"].split(counts), batch["labels"].split(counts)
    return list(batch["images"].float() / 255), [
        {"boxes": one, "labels": other} for one, other in zip(boxes, labels, strict=True)
    ]


def torchvisions_own(folder: Path, labels: int, side: int) -> Any:
    """The saved model, built of torchvision's public parts from what `config.json` says."""
    from torchvision.models import resnet
    from torchvision.models.detection.backbone_utils import BackboneWithFPN
    from torchvision.models.detection.fcos import FCOS, FCOSHead
    from torchvision.ops.feature_pyramid_network import LastLevelP6P7

    config = json.loads((folder / "config.json").read_text())
    network, width = config["network"], config["network"]["channels"]
    body = getattr(resnet, network["variant"])()
    levels = {"layer2": "0", "layer3": "1", "layer4": "2"}
    backbone = BackboneWithFPN(body, levels, [128, 256, 512], width, LastLevelP6P7(width, width))
    head = FCOSHead(width, 1, labels, network["convolutions"])
    detector = FCOS(backbone, labels, min_size=side, max_size=side, head=head, **config["predict"])
    detector.load_state_dict(load_file(folder / "model.safetensors"))
    return detector.eval()


@pytest.mark.parametrize("objects", [None, 0])
def test_the_loss_is_torchvisions_own(objects: int | None, tmp_path: Path) -> None:
    model, split = loaded(objects=objects)
    batch = batch_of(model, split)
    model.save(tmp_path)
    theirs = torchvisions_own(tmp_path, len(scene_samples.LABELS), model.side).train()
    training_mode(model.module)
    images, targets = as_torchvision_takes(batch)
    torch.testing.assert_close(model.loss(batch), sum(theirs(images, targets).values()), rtol=1e-4, atol=1e-5)


def test_what_is_saved_finds_the_same_objects_in_torchvision(tmp_path: Path) -> None:
    model, _ = loaded(score_threshold=0.0)
    split = scene_samples.examples(3, 128, 128)
    model.save(tmp_path)
    theirs = torchvisions_own(tmp_path, len(scene_samples.LABELS), model.side)
    batch = batch_of(model, split, train=False)
    with torch.inference_mode():
        wanted = theirs(as_torchvision_takes(batch)[0])
    for ours, each in zip(predict(model, model.prepare(split, train=False), CPU, 3), wanted, strict=True):
        kept = (each["boxes"][:, 2:] > each["boxes"][:, :2]).all(dim=1)  # Graft leaves out boxes without an area
        assert len(ours) > 10
        np.testing.assert_allclose(ours.scores, each["scores"][kept].numpy(), atol=1e-5)
        np.testing.assert_allclose(ours.corners, each["boxes"][kept].numpy(), atol=1e-2)


@pytest.mark.parametrize("objects", [0, 3])
def test_losses_are_finite_in_bfloat16_and_close_to_those_in_full(objects: int) -> None:
    model, split = loaded(objects=objects)
    batch = batch_of(model, split)
    training_mode(model.module)
    full = model.loss(batch)
    with torch.autocast("cpu", torch.bfloat16):
        half = model.loss(batch)
    assert (half.dtype, half.ndim) == (torch.float32, 0)
    half.backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in model.module.parameters() if p.grad is not None]
    assert gradients
    assert all(bool(torch.isfinite(each).all()) for each in gradients)
    torch.testing.assert_close(half, full, rtol=0.05, atol=0.05)


def test_it_learns_scenes_by_heart_and_finds_their_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow_resnet.replace_resnet18(monkeypatch)
    model, split = loaded(6, augment=False)
    batch = batch_of(model, split)
    optimizer = build_optimizer(model, Full(), TrainConfig(), 3e-3)
    training_mode(model.module)
    for _ in range(35):
        model.loss(batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    found = predict(model, model.prepare(split, train=False), CPU, 3)
    hits = total = 0
    for example, each in zip(split, found, strict=True):
        for box, label in zip(example.target.corners, example.target.labels, strict=True):
            near = (np.abs(each.corners - np.asarray(box)).max(axis=1) < 6) & (each.labels == label)
            hits += bool(near[each.scores > 0.1].any())
            total += 1
    assert hits / total > 0.6


def test_predictions_lie_inside_the_image_and_are_capped() -> None:
    model, _ = loaded(max_detections=7, score_threshold=0.0)
    network: Any = model.module
    network.head.regression_head.bbox_reg.bias.data.fill_(2.0)  # untrained, most boxes have no area
    split = [*scene_samples.examples(3, 64, 48), *scene_samples.examples(3, 30, 90)]
    for example, each in zip(split, predict(model, model.prepare(split, train=False), CPU, 4), strict=True):
        assert (each.corners.dtype, each.scores.dtype, each.labels.dtype) == (np.float32, np.float32, np.int64)
        assert 0 < len(each) <= 7
        assert (np.diff(each.scores) <= 0).all()
        assert (each.corners >= 0).all()
        assert (each.corners[:, 2:] <= np.asarray(example.size)).all()


@pytest.mark.parametrize("side", [128, 160, 320, 640])
def test_its_places_are_those_of_torchvision(side: int) -> None:
    from torchvision.models.detection.image_list import ImageList

    detector = parts.build(FcosArchitecture("resnet18", 64, 1, False), 3, 0)
    images = torch.zeros((1, 3, side, side))
    features = list(detector.backbone.eval()(images).values())
    (wanted,) = detector.anchor_generator(ImageList(images, [(side, side)]), features)
    ours = parts.places(detector, side, "cpu")
    assert [len(each) for each in ours] == [each.shape[2] * each.shape[3] for each in features]
    assert torch.equal(torch.cat(ours), wanted)


@pytest.mark.parametrize("variant", ["resnet18", "resnet50"])
def test_its_parts_are_named(variant: str) -> None:
    model, _ = loaded(scratch=variant)
    names = [name for name, _ in model.module.named_parameters()]
    assert sorted(name for layer in model.layers for name in layer) == sorted(names)
    assert all(model.layers)
    assert all(name.startswith(parts.HEADS) for name in model.layers[-1])
    modules = dict(model.module.named_modules())
    assert all(isinstance(modules[name], torch.nn.Conv2d) for name in model.adapter_targets)


@pytest.mark.parametrize("method", [Head(), Freeze(), Lora(rank=2)])
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
        adapted.loss(batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    after = adapted.module.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed & trained
    assert changed <= trained


def test_the_norms_of_pretrained_networks_are_constants() -> None:
    detector = parts.build(FULL, 2, 0)
    norms = {type(layer).__name__ for layer in detector.backbone.body.modules() if "Norm" in type(layer).__name__}
    assert norms == {"FrozenBatchNorm2d"}


def test_another_task_starts_from_a_run_with_a_new_head(tmp_path: Path) -> None:
    model, split = loaded()
    model.save(tmp_path)
    options = Torchvision(checkpoint=str(tmp_path))
    same, other = (
        options.load(scene_samples.load_request(split)),
        options.load(scene_samples.load_request(split, labels=("one", "two"))),
    )
    ours, kept, renewed = (each.module.state_dict() for each in (model, same, other))
    assert all(torch.equal(kept[name], ours[name]) for name in ours)
    assert same.provenance.init == "pretrained"
    logits = {name for name in ours if name.startswith(parts.LOGITS)}
    assert logits
    assert all(renewed[name].shape[0] == 2 for name in logits)
    assert all(torch.equal(renewed[name], ours[name]) for name in set(ours) - logits)


def test_a_folder_of_anything_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not contain FCOS"):
        Torchvision(checkpoint=str(tmp_path)).load(scene_samples.load_request(scene_samples.examples(2)))
    model, split = loaded()
    model.save(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    state["backbone.fpn.inner_blocks.0.0.weight"] = torch.zeros(3, 3)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"inner_blocks\.0\.0\.weight is of another shape"):
        Torchvision(checkpoint=str(tmp_path)).load(scene_samples.load_request(split))


def test_a_sheet_shows_the_samples() -> None:
    model, split = loaded()
    page = model.preview(split, model.prepare(split, train=True), 0)
    assert len(page.getcolors(page.width * page.height) or ()) > 100


def test_images_are_normalized_as_torchvision_normalizes() -> None:
    from torchvision.models.detection import FCOS

    transform = FCOS(parts.build(FULL, 2, 0).backbone, 2).transform
    assert (tuple(transform.image_mean), tuple(transform.image_std)) == (MEAN, STD)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"image_size": 150}, "model.image_size"),
        ({"image_size": 96}, "model.image_size"),
        ({"channels": 100}, "model.channels"),
        ({"variant": "resnet18", "checkpoint": "coco"}, "model.checkpoint"),
        ({"init": "pretrained", "channels": 64}, "model.channels"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], where: str) -> None:
    config = RunConfig(task=Task(type="object-detection", target="boxes"))
    assert [problem.where for problem in Torchvision(**options).check(config)] == [where]
    assert not list(Torchvision().check(config))
