"""Every adapter method on a small model of each family: each cell of the table works or is refused."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import image_samples
import pytest

from core.contracts.capabilities import BF16, BIASES, FP16, FP32, LINEAR
from core.contracts.components import AdapterMethod, ModelLoader
from core.contracts.model import LoadRequest
from core.errors import ConfigError
from core.registry.compatibility import UNSUPPORTED, fit
from core.registry.registry import load_registry
from core.testing.methods import check_cell, check_method
from core.testing.samples import sample_request

METHODS = load_registry().components["method"]
TINY = {"init": "scratch", "hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
SMALL = {"init": "scratch", "image_size": 32}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("encoder", {**TINY, "architecture": "bert"}),
    "llama": ("decoder", {**TINY, "architecture": "llama"}),
    "tagger": ("token_encoder", {**TINY, "architecture": "bert"}),
    "resnet": ("timm", {**SMALL, "scratch": "test_resnet"}),
    "vit": ("timm", {**SMALL, "scratch": "test_vit"}),
    "yolo": ("ultralytics", {"init": "scratch", "width": 0.125, "depth": 0.34, "image_size": 64}),
    "fcos": ("torchvision", {"init": "scratch", "channels": 64, "convolutions": 1}),
}
MORE: dict[str, tuple[str, dict[str, Any]]] = {
    **{each: ("encoder", {**TINY, "architecture": each}) for each in ("roberta", "distilbert", "modernbert")},
    "convnext": ("timm", {**SMALL, "scratch": "test_convnext"}),
    "efficientnet": ("timm", {**SMALL, "scratch": "test_efficientnet"}),
}
"""Models that differ from the first of their family in what some methods trip over; all methods on them are nightly."""
BOXES = sample_request("object-detection", "boxes")
BOXES = replace(BOXES, train=BOXES.train[:12])
STEPS = {"torchvision": 6, "ultralytics": 6}
"""Of the slowest families; others take the kit's own number."""
REQUESTS = {
    "timm": image_samples.load_request(image_samples.examples(12)),
    "torchvision": BOXES,
    "ultralytics": BOXES,
    "token_encoder": sample_request("token-classification", "tags"),
}
"""What is asked of loaders whose kind is not text."""
OPTIONS: dict[str, dict[str, Any]] = {
    "adalora": {"every": 2, "rank": 2, "first_rank": 4},
    "prompt": {"tokens": 3},
    "prefix": {"tokens": 3},
}
"""Of methods whose defaults are for longer runs or longer texts."""
LACKING = {
    LINEAR: (("resnet", "efficientnet"), "default targets are convolutions"),
    BIASES: (("modernbert", "llama"), "no module of this model outside its head has a bias"),
}
"""Models that lack what others of their family have (`ModelLoader.partly`), and what they are refused with."""
LORA: list[dict[str, Any]] = [
    {"dora": True},
    {"rslora": True, "loraplus_lr_ratio": 4.0},
    {"init": "gaussian"},
    {"init": "pissa"},
    {"init": "olora", "rslora": True},
]
ALTERS_BASE = ("pissa", "olora")


def loader(model: str, quantized: bool = False) -> ModelLoader:
    name, options = (MODELS | MORE)[model]
    options = {**options, "hidden_size": 64} if quantized and "hidden_size" in options else options  # kernels' blocks
    for module, command in load_registry().get("model", name).requires.items():
        if find_spec(module) is None:
            pytest.skip(f"needs {module}: {command}")
    found = load_registry().get("model", name)(**options)
    assert isinstance(found, ModelLoader)
    return found


def method(name: str, **options: Any) -> AdapterMethod:
    found = METHODS[name](**{**OPTIONS.get(name, {}), **options})
    assert isinstance(found, AdapterMethod)
    return found


def request_of(model: str) -> LoadRequest | None:
    return REQUESTS.get((MODELS | MORE)[model][0])


def steps_of(model: str, name: str = "") -> int:
    """Return how many steps to train; ia3, the slowest to learn, takes more, or boxes tie and rounding orders them."""
    return STEPS.get((MODELS | MORE)[model][0], 12) + 2 * (name == "ia3")


def cell(name: str, model: str, precision: str, folder: Path) -> None:
    """A cell works, or is refused with the reason: before loading, or after it where some models of a family fit."""
    family = loader(model, method(name).weights() is not None)
    for capability, (lacking, message) in LACKING.items():
        if capability in METHODS[name].needs and model in lacking:  # type: ignore[attr-defined]
            assert capability in family.partly
            with pytest.raises(ConfigError, match=message):
                check_cell(method(name), family, folder, precision, request_of(model), steps_of(model, name))
            return
    works = check_cell(method(name), family, folder, precision, request_of(model), steps_of(model, name))
    assert works == (fit(type(family), METHODS[name], precision).status != UNSUPPORTED)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", METHODS)
def test_a_cell_works_or_is_refused(name: str, model: str, tmp_path: Path) -> None:
    cell(name, model, FP32, tmp_path)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["full", "lora"])
def test_a_cell_in_bf16(name: str, model: str, tmp_path: Path) -> None:
    cell(name, model, BF16, tmp_path)


@pytest.mark.parametrize("model", ["bert", "llama"])
@pytest.mark.parametrize("name", ["qlora", "lora8"])
def test_quantized_weights_multiplied_in_bf16(name: str, model: str, tmp_path: Path) -> None:
    cell(name, model, BF16, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("precision", [FP32, BF16])
@pytest.mark.parametrize("model", [*MODELS, *MORE])
@pytest.mark.parametrize("name", METHODS)
def test_every_cell(name: str, model: str, precision: str, tmp_path: Path) -> None:
    cell(name, model, precision, tmp_path)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", METHODS)
def test_what_is_refused_in_fp16(name: str, model: str, tmp_path: Path) -> None:
    assert not check_cell(method(name), loader(model), tmp_path, FP16, request_of(model))


@pytest.mark.parametrize("model", MORE)
@pytest.mark.parametrize("name", ["full", "freeze", "head", "lora"])
def test_other_models_of_a_family(name: str, model: str, tmp_path: Path) -> None:
    cell(name, model, FP32, tmp_path)


@pytest.mark.parametrize("model", ["bert", "vit", "resnet"])
@pytest.mark.parametrize("options", LORA, ids=lambda options: "-".join(map(str, options.values())))
def test_lora_in_each_of_its_forms(options: dict[str, Any], model: str, tmp_path: Path) -> None:
    if model == "resnet" and options.get("init") in ALTERS_BASE:
        with pytest.raises(ConfigError, match="factors a matrix, but this model's default targets are convolutions"):
            check_method(method("lora", **options), loader(model), tmp_path, request_of(model))
        return
    check_method(method("lora", **options), loader(model), tmp_path, request_of(model))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["full", "freeze"])
def test_layers_with_rates_of_their_own(name: str, model: str, tmp_path: Path) -> None:
    check_method(method(name, layer_decay=0.7), loader(model), tmp_path, request_of(model), steps_of(model))


@pytest.mark.parametrize("name", METHODS)
def test_method_for_values(name: str, tmp_path: Path) -> None:
    """Regression heads carry the scale of their targets through saving."""
    family = loader("bert", method(name).weights() is not None)
    check_cell(method(name), family, tmp_path, FP32, sample_request(target="regression"))
