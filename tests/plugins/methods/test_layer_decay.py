"""Freezing all but the last layers, and learning rates by depth."""

from __future__ import annotations

from typing import Any

import graft_toy
import image_samples
import pytest
import torch
from output_specs import output

from core.config.compose import resolve
from core.config.validation import check
from core.contracts.model import LoadedModel, LoadRequest, TrainingPlan
from core.contracts.train_config import TrainConfig
from core.errors import ConfigError
from core.training.optimizer import build_optimizer
from plugins.images.plugin import Timm
from plugins.methods.layer_decay import decayed_groups, layers_by_depth
from plugins.methods.selective import Freeze, Full

PLAN = TrainingPlan(1, 1.0)


def timm_model(name: str) -> LoadedModel:
    loader = Timm(init="scratch", scratch=name, image_size=32, augment="none")
    return loader.load(image_samples.load_request(image_samples.examples(6)))


def toy(layers: Any = (("body.weight", "body.bias"), ("head.weight", "head.bias"))) -> LoadedModel:
    model = graft_toy.Toy().load(LoadRequest(output(labels=graft_toy.LABELS)))
    model.layers = layers
    return model


def training(model: LoadedModel) -> set[str]:
    return {name for name, parameter in model.module.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("name", "first", "kept"),
    [
        ("test_resnet", "layer4.0.conv1.weight", "layer3.0.conv1.weight"),
        ("test_vit", "blocks.5.attn.qkv.weight", "blocks.4.attn.qkv.weight"),
        ("test_convnext", "stages.3.blocks.0.conv_dw.weight", "stages.2.blocks.0.conv_dw.weight"),
        ("test_efficientnet", "blocks.4.0.conv_pw.weight", "blocks.3.0.conv_pw.weight"),
    ],
)
def test_the_last_layer_trains_with_the_head_and_nothing_else_does(name: str, first: str, kept: str) -> None:
    model = timm_model(name)
    model.module.requires_grad_(True)
    Freeze().apply(model, PLAN)
    trains = training(model)
    assert first in trains
    assert kept not in trains
    assert set(model.layers[-1]) <= trains
    assert all(f"{head}.weight" in trains for head in model.heads)


def test_a_norm_by_itself_is_no_layer() -> None:
    """timm puts ConvNeXt's last norm at a depth of its own; one layer of it is the last stage all the same."""
    model = timm_model("test_convnext")
    assert model.layers[-2] == ("head.norm.weight", "head.norm.bias")
    assert len(layers_by_depth(model)) == len(model.layers) - 1
    assert layers_by_depth(model)[-2][-2:] == model.layers[-2]


def test_as_many_layers_as_there_are_train_everything_and_no_more_can_be_asked_for() -> None:
    model = timm_model("test_resnet")
    Freeze(layers=5).apply(model, PLAN)
    assert all(parameter.requires_grad for parameter in model.module.parameters())
    with pytest.raises(ConfigError, match=r"method.layers: 6 layers were requested, but the model has 5 before its"):
        Freeze(layers=6).apply(model, PLAN)


@pytest.mark.parametrize("method", [Freeze(), Full(layer_decay=0.5)], ids=lambda method: method.name)
def test_a_model_that_declares_no_layers_is_refused(method: Any) -> None:
    with pytest.raises(ConfigError, match=r"Network does not declare which parameters are at which depth"):
        method.apply(toy(()), PLAN)


def test_each_layer_has_its_rate_the_head_the_full_one() -> None:
    model = timm_model("test_resnet")
    groups = Full(layer_decay=0.5).param_groups(Full(layer_decay=0.5).apply(model, PLAN), 1.0)
    assert groups is not None
    assert [group.lr for group in groups] == pytest.approx([0.5**distance for distance in range(6)])
    assert groups[0].names == list(model.layers[-1])
    assert groups[-1].names == list(model.layers[0])
    optimizer = build_optimizer(model, Full(layer_decay=0.5), TrainConfig(), 1e-2)
    rates = {id(p): group["peak_lr"] for group in optimizer.param_groups for p in group["params"]}
    parameters = dict(model.module.named_parameters())
    assert rates[id(parameters["fc.weight"])] == pytest.approx(1e-2)
    assert rates[id(parameters["layer4.0.conv1.weight"])] == pytest.approx(5e-3)
    assert rates[id(parameters["conv1.0.weight"])] == pytest.approx(1e-2 / 32)
    assert len(rates) == len(parameters)


def test_one_rate_for_all_needs_no_groups_and_no_layers() -> None:
    assert decayed_groups(toy(()), 1.0, 1.0) is None
    assert Full().apply(toy(()), PLAN)


def test_what_is_frozen_is_in_no_group() -> None:
    method = Freeze(layers=2, layer_decay=0.1)
    model = method.apply(timm_model("test_vit"), PLAN)
    groups = method.param_groups(model, 1.0)
    assert groups is not None
    assert [group.lr for group in groups] == pytest.approx([1.0, 0.1, 0.01])
    assert {name for group in groups for name in group.names} == training(model)


def test_parameters_of_no_layer_go_with_the_first() -> None:
    model = toy((("body.weight",), ("head.weight", "head.bias")))
    groups = decayed_groups(model, 1.0, 0.5)
    assert groups is not None
    assert groups[-1].names == ["body.weight", "body.bias"]
    Freeze(layers=1).apply(model, PLAN)
    assert "body.bias" in training(model)


def test_a_compiled_module_keeps_its_groups() -> None:
    model = toy()
    model.module = torch.compile(model.module)  # type: ignore[assignment]
    groups = decayed_groups(model, 1.0, 0.5)
    assert groups is not None
    assert [group.lr for group in groups] == [1.0, 0.5]
    assert len(build_optimizer(model, Full(layer_decay=0.5), TrainConfig(), 1e-2).param_groups) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["method=full", "method.layer_decay=0"], "method.layer_decay: 0.0 is too small"),
        (["method=freeze", "method.layer_decay=1.1"], "method.layer_decay: 1.1 is too large"),
        (["method=freeze", "method.layers=0"], "method.layers: 0 is too small"),
        (["method=freeze", "model.init=scratch", "model.architecture=bert"], "those of a model from scratch are rand"),
    ],
)
def test_options_that_cannot_be(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(resolve(words))


@pytest.mark.parametrize(("loader", "lacks"), [(graft_toy.Toy, "does not list its"), (graft_toy.Guess, "without gra")])
def test_decay_is_refused_before_any_download_where_there_are_no_layers(loader: Any, lacks: str) -> None:
    check(graft_toy.config(model=loader(), method=Full()) if loader is graft_toy.Toy else graft_toy.config())
    with pytest.raises(ConfigError, match=f"method.layer_decay: gives each layer a learning rate, but .*{lacks}"):
        check(graft_toy.config(model=loader(), method=Full(layer_decay=0.9)))
