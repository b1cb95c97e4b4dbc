"""Every model loader, small and from scratch, for each target type of its task types."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from core.contracts.components import ModelLoader
from core.registry.registry import load_registry
from core.testing.models import check_model_loader
from core.testing.samples import sample_request

LOADERS = load_registry().components["model"]
TINY = {"init": "scratch", "hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
SMALL: dict[str, list[dict[str, Any]]] = {
    "encoder": [{**TINY, "architecture": each} for each in ("roberta", "bert", "distilbert", "modernbert")],
    "token_encoder": [
        {**TINY, "architecture": each, "overlap": overlap}
        for each, overlap in (("roberta", 0.0), ("bert", 0.25), ("distilbert", 0.5), ("modernbert", 0.25))
    ],
    "decoder": [{**TINY, "architecture": "llama"}],
    "timm": [
        {"init": "scratch", "scratch": name, "image_size": 32}
        for name in ("test_resnet", "test_convnext", "test_efficientnet", "test_vit")
    ],
    "torchvision": [{"init": "scratch", "channels": 64, "convolutions": 1}],
    "ultralytics": [
        {"init": "scratch", "width": 0.125, "depth": 0.34, "image_size": 64, **options}
        for options in ({}, {"one_to_one": True}, {"version": "11"}, {"version": "8"})
    ],
}
"""Options that make each loader's model small, without a network. A new loader needs an entry."""


def small(name: str) -> list[dict[str, Any]]:
    for module, command in LOADERS[name].requires.items():
        if find_spec(module) is None:
            pytest.skip(f"needs {module}: {command}")
    if name not in SMALL:
        pytest.fail(f"model={name} has no small settings; add some to SMALL in {__file__}")
    return SMALL[name]


@pytest.mark.parametrize("name", LOADERS)
def test_every_size_for_the_first_target_of_its_task_type(name: str, tmp_path: Path) -> None:
    for number, options in enumerate(small(name)):
        loader = LOADERS[name](**options)
        assert isinstance(loader, ModelLoader)
        task_type = loader.task_types[0]
        request = sample_request(task_type, load_registry().task_type(task_type).targets[0])
        if task_type == "object-detection":
            request = replace(request, train=request.train[:12])  # detectors are slow
        check_model_loader(loader, tmp_path / str(number), request)


@pytest.mark.parametrize("target", ["multi", "regression"])
@pytest.mark.parametrize("name", LOADERS)
def test_other_targets(name: str, target: str, tmp_path: Path) -> None:
    loader = LOADERS[name](**small(name)[0])
    assert isinstance(loader, ModelLoader)
    task_type = load_registry().task_type(loader.task_types[0])
    if target not in task_type.targets:
        pytest.skip(f"{task_type.name} has no target {target}")
    check_model_loader(loader, tmp_path, target=target)
