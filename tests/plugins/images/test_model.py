"""The image classifier: what it sees, its loss on mixed examples, and how timm opens its folder.

Covers: plugins/images/preview.py
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from image_samples import LABELS, examples, load_request, pixels
from timm.data import create_transform, resolve_model_data_config

from core.data.batching import example_rng
from core.images.reading import encode_png, open_image
from core.tasks.image import ImageExample
from plugins.images.augmentation import LIGHT, Policy
from plugins.images.loading import load_image_model
from plugins.images.model import ImageModel, policy_of
from plugins.images.plugin import Timm

SIZES = [(24, 20), (64, 20), (20, 64), (200, 150)]


def model_of(target: str = "single", **options: Any) -> ImageModel:
    settings = {"init": "scratch", "scratch": "test_resnet", "image_size": 32} | options
    return load_image_model(Timm(**settings), load_request(examples(6), target))


def mixed_sizes() -> list[ImageExample]:
    return [
        ImageExample(encode_png(pixels(row % 3, row, *size)), row % 3, size, place=str(row))
        for row, size in enumerate(SIZES)
    ]


@pytest.mark.parametrize("crop", [{}, {"crop_pct": 0.8}, {"crop_mode": "squash"}, {"crop_mode": "border"}])
def test_timm_opens_the_folder_sees_the_same_pixels_and_gives_the_same_logits(tmp_path: Path, crop: Any) -> None:
    model = model_of()
    model.preprocessing = {**model.preprocessing, **crop}
    model.module.eval()
    model.save(tmp_path)
    opened = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    assert opened.pretrained_cfg["label_names"] == list(LABELS)
    transform = create_transform(**resolve_model_data_config(opened), is_training=False)
    split = mixed_sizes()
    expected = torch.stack([transform(open_image(each.image)) for each in split])
    prepared = model.prepare(split, train=False)
    batch = model.collate([prepared.fetch(row, 0, None) for row in range(len(split))])
    assert torch.equal(model._inputs(batch), expected)
    with torch.no_grad():
        torch.testing.assert_close(model.predict(batch), opened(expected).softmax(dim=-1))


def test_training_shows_the_same_scene_as_evaluation() -> None:
    """Squeezed, stored and sampled through the affine map of no variation, an image is what evaluation sees."""
    model = model_of(augment="light")
    model.policy = replace(LIGHT, scale=(1, 1), stretch=1, shift=0, turn=0, shade=0)
    smooth = np.linspace(0, 255, 120)[None, :, None] * np.linspace(0.2, 1, 60)[:, None, None] * np.ones(3)
    split = [ImageExample(encode_png(smooth.astype(np.uint8)), 0, (120, 60), place="smooth")]
    seen = []
    for train in (True, False):
        prepared = model.prepare(split, train)
        item = prepared.fetch(0, 0, example_rng(0, 0, 0) if train else None)
        seen.append(model.seen(model.collate([item])))
    assert float((seen[0] - seen[1]).abs().mean()) < 0.01


def test_the_loss_of_a_mixed_example_is_that_of_both_targets() -> None:
    model = model_of(mixup=1.0, augment="light")
    split = examples(6)
    prepared = model.prepare(split, train=True)
    items = [prepared.fetch(row, 0, example_rng(0, 0, row)) for row in range(4)]
    batch = model.collate(items)
    assert batch["images"].shape == (8, 40, 40, 3)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    losses = model.head_loss(logits, batch)
    log = logits.log_softmax(dim=-1)
    for row, item in enumerate(items):
        assert item.mixing is not None
        first, second = split[row].target, split[item.mixing.partner].target
        expected = -(item.mixing.share * log[row, first] + (1 - item.mixing.share) * log[row, second])
        torch.testing.assert_close(losses[row], expected)


def test_one_mixed_example_leaves_the_others_of_its_batch_alone() -> None:
    model = model_of(mixup=0.5, augment="light")
    prepared = model.prepare(examples(12), train=True)
    items = [prepared.fetch(row, 0, example_rng(0, 0, row)) for row in range(12)]
    assert 0 < sum(item.mixing is not None for item in items) < 12
    whole = model.seen(model.collate(items))
    for row, item in enumerate(items):
        torch.testing.assert_close(model.seen(model.collate([item]))[0], whole[row])


def test_multi_label_targets_mix_too() -> None:
    targets = [(0,), (1, 2), (), (0, 1, 2), (2,), (1,)]
    model = model_of("multi", cutmix=1.0, augment="strong")
    prepared = model.prepare(examples(6, targets=targets), train=True)
    batch = model.collate([prepared.fetch(row, 0, example_rng(0, 0, row)) for row in range(6)])
    losses = model.loss(batch)
    assert losses.shape == (6,)
    assert bool(torch.isfinite(losses).all())


def test_features_and_head_run_apart() -> None:
    model: Any = model_of()
    model.module.eval()
    prepared = model.prepare(examples(4), train=False)
    batch = model.collate([prepared.fetch(row, 0, None) for row in range(4)])
    with torch.no_grad():
        predictions = model.head_predict(model.head(model.features(batch)), batch)
        torch.testing.assert_close(predictions, model.predict(batch))


@pytest.mark.parametrize(
    ("options", "frozen", "policy"),
    [
        ({}, False, LIGHT),
        ({}, True, Policy()),
        ({"augment": "none"}, False, Policy()),
        ({"augment": "light"}, True, LIGHT),
        ({"flip": True}, False, replace(LIGHT, flip=True)),
        ({"mixup": 0.5}, False, replace(LIGHT, mixup=0.5)),
    ],
)
def test_policies(options: Any, frozen: bool, policy: Policy) -> None:
    assert policy_of(Timm(scratch="test_resnet", **options), frozen) == policy


def test_thresholds_are_written_with_the_labels(tmp_path: Path) -> None:
    model = model_of("multi")
    model.thresholds = (0.3, 0.5, 0.25)
    model.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["graft"]["thresholds"] == {"dark": 0.3, "light": 0.5, "striped": 0.25}
    again = load_image_model(Timm(scratch="test_resnet"), load_request((), "multi", saved=tmp_path))
    assert again.thresholds == model.thresholds


def test_the_sheet_shows_originals_and_epochs() -> None:
    model = model_of()
    split = examples(12)
    sheet = model.preview(split, model.prepare(split, train=True), 0)
    again = model.preview(split, model.prepare(split, train=True), 0)
    assert sheet.size[0] > sheet.size[1] / 3
    assert sheet.tobytes() == again.tobytes()
    assert len(set(sheet.getdata())) > 50


def test_images_that_exceed_the_budget_are_decoded_each_time_and_reported() -> None:
    model = model_of(cache_mb=0)
    prepared = model.prepare(examples(6), train=True)
    assert getattr(prepared, "needs_workers")
    assert [finding.code for finding in model.findings] == ["images_not_cached"]


def test_without_a_generator_training_images_are_seen_as_evaluation_sees_them() -> None:
    model = model_of(augment="strong")
    prepared = model.prepare(mixed_sizes(), train=True)
    seen = model.seen(model.collate([prepared.fetch(row, 0, None) for row in range(4)]))
    assert seen.shape == (4, 3, 32, 32)
