"""Every adapter method, on a small model of each family."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.contracts import AdapterMethod, ModelLoader
from core.registry import load
from core.testing import check_method, sample_need

METHODS = load().components["method"]
MODELS = {
    "bert": ("encoder", {"architecture": "bert"}),
    "roberta": ("encoder", {"architecture": "roberta"}),
}
TINY = {"init": "scratch", "hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}


def loader(model: str) -> ModelLoader:
    name, options = MODELS[model]
    found = load().get("model", name)(**TINY, **options)
    assert isinstance(found, ModelLoader)
    return found


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", METHODS)
def test_method(name: str, model: str, tmp_path: Path) -> None:
    method = METHODS[name]()
    assert isinstance(method, AdapterMethod)
    check_method(method, loader(model), tmp_path)


@pytest.mark.parametrize("name", METHODS)
def test_method_for_values(name: str, tmp_path: Path) -> None:
    """Regression heads carry the scale of their targets through saving."""
    method = METHODS[name]()
    assert isinstance(method, AdapterMethod)
    check_method(method, loader("bert"), tmp_path, sample_need(target="regression"))
