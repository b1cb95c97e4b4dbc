"""Training the head alone: features are computed once if examples do not change, else in every epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import image_samples
import numpy as np
import pytest
import torch

from core.contracts.model import LoadedModel, TrainingPlan
from core.contracts.protocols import SupportsPreview
from plugins.images.model import ImageModel
from plugins.images.plugin import Timm
from plugins.methods.cached_features import FeatureModel, Features
from plugins.methods.selective import Head

EXAMPLES = image_samples.examples(12)


def model_of(**options: Any) -> Any:
    loader = Timm(init="scratch", scratch="test_resnet", image_size=32, **options)
    return loader.load(image_samples.load_request(EXAMPLES, frozen=Head.frozen))


def applied(model: LoadedModel) -> Any:
    return Head().apply(model, TrainingPlan(1, 1.0, augmented=model.augmented))


def batch(model: Any, train: bool = True) -> dict[str, torch.Tensor]:
    prepared = model.prepare(EXAMPLES, train)
    found: dict[str, torch.Tensor] = model.collate(
        [prepared.fetch(row, 0, np.random.default_rng(row)) for row in range(len(EXAMPLES))]
    )
    return found


def test_features_are_computed_once_and_give_what_the_network_gives() -> None:
    inner = model_of()
    assert not inner.augmented  # the loader is told that the backbone is frozen
    model = applied(inner)
    assert isinstance(model, FeatureModel)
    assert not model.augmented
    assert isinstance(model.prepare(EXAMPLES, True), Features)
    inner.module.eval()
    with torch.no_grad():
        torch.testing.assert_close(model.loss(batch(model)), inner.loss(batch(inner)))
        torch.testing.assert_close(model.predict(batch(model, False)), inner.predict(batch(inner, False)))
    assert "features_each_epoch" not in [finding.code for finding in model.findings]


def test_examples_that_change_run_through_the_backbone_in_every_epoch_and_it_is_reported() -> None:
    model = applied(model_of(augment="light"))
    assert model.augmented
    assert {name.partition(".")[0] for name, p in model.module.named_parameters() if p.requires_grad} == {"fc"}
    (finding,) = [finding for finding in model.findings if finding.code == "features_each_epoch"]
    assert finding.level == "info"
    assert finding.message.startswith("training examples change from epoch to epoch, so the frozen backbone runs in")


def test_a_model_that_cannot_run_without_its_head_is_reported_too() -> None:
    inner = model_of()
    inner.__class__ = ImageModel
    (finding,) = [finding for finding in applied(inner).findings if finding.code == "features_each_epoch"]
    assert finding.message.startswith("this model cannot run without its head")


def test_thresholds_reach_what_is_saved(tmp_path: Path) -> None:
    inner = model_of()
    model = applied(inner)
    model.thresholds = (0.1, 0.2, 0.3)
    assert inner.thresholds == model.thresholds
    model.save(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["graft"]["thresholds"]
    assert list(saved.values()) == [0.1, 0.2, 0.3]


def test_what_was_trained_on_can_be_drawn_and_is_let_go() -> None:
    model = applied(model_of())
    assert isinstance(model, SupportsPreview)
    prepared = {name: model.prepare(EXAMPLES, name == "train") for name in ("train", "val")}
    assert model._shown is not None
    assert model.preview(EXAMPLES, prepared["train"], 0).size[0] > 100
    assert model._shown is None


def test_features_back_off_where_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = applied(model_of())
    whole = model.prepare(EXAMPLES, False)
    features = model.inner.features

    def small(given: dict[str, torch.Tensor]) -> torch.Tensor:
        if len(given["images"]) > 4:
            raise torch.OutOfMemoryError("no room")
        return features(given)  # type: ignore[no-any-return]

    monkeypatch.setattr(model.inner, "features", small)
    again = model.prepare(EXAMPLES, False)
    np.testing.assert_allclose(again.features, whole.features, atol=1e-5)
    np.testing.assert_array_equal(again.targets, whole.targets)
