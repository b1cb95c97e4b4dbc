"""Every adapter method, on a small model of each family that it fits."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pictured
import pytest

from core.capabilities import UNSUPPORTED, fit
from core.contracts import AdapterMethod, ModelLoader, Need
from core.registry import load
from core.testing import check_method, sample_need

METHODS = load().components["method"]
TINY = {"init": "scratch", "hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
SMALL = {"init": "scratch", "image_size": 32}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("encoder", {**TINY, "architecture": "bert"}),
    "roberta": ("encoder", {**TINY, "architecture": "roberta"}),
    "llama": ("decoder", {**TINY, "architecture": "llama"}),
    "resnet": ("timm", {**SMALL, "scratch": "test_resnet"}),
    "vit": ("timm", {**SMALL, "scratch": "test_vit"}),
    "convnext": ("timm", {**SMALL, "scratch": "test_convnext"}),
    "efficientnet": ("timm", {**SMALL, "scratch": "test_efficientnet"}),
    "fcos": ("torchvision", {"init": "scratch", "channels": 64, "convolutions": 1}),
    "yolo": ("ultralytics", {"init": "scratch", "width": 0.125, "depth": 0.34, "image_size": 64}),
}
BOXES = sample_need("object-detection", "boxes")
NEEDS = {"timm": pictured.need(pictured.examples(12)), "torchvision": BOXES, "ultralytics": BOXES}
"""What is asked of loaders whose kind is not text."""


def loader(model: str, quantised: bool) -> ModelLoader:
    name, options = MODELS[model]
    options = {**options, "hidden_size": 64} if quantised and "hidden_size" in options else options  # kernels' blocks
    for module, command in load().get("model", name).requires.items():
        if find_spec(module) is None:
            pytest.skip(f"needs {module}: {command}")
    found = load().get("model", name)(**options)
    assert isinstance(found, ModelLoader)
    return found


def checked(name: str, model: str, folder: Path, need: Need | None, **options: Any) -> None:
    method = METHODS[name](**options)
    assert isinstance(method, AdapterMethod)
    family = loader(model, method.weights() is not None)
    found = fit(type(family), type(method))
    if found.status == UNSUPPORTED:
        pytest.skip(found.reason)
    check_method(method, family, folder, need)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", METHODS)
def test_method(name: str, model: str, tmp_path: Path) -> None:
    checked(name, model, tmp_path, NEEDS.get(MODELS[model][0]))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", ["full", "freeze"])
def test_layers_with_rates_of_their_own(name: str, model: str, tmp_path: Path) -> None:
    checked(name, model, tmp_path, NEEDS.get(MODELS[model][0]), layer_decay=0.7)


@pytest.mark.parametrize("name", METHODS)
def test_method_for_values(name: str, tmp_path: Path) -> None:
    """Regression heads carry the scale of their targets through saving."""
    checked(name, "bert", tmp_path, sample_need(target="regression"))
