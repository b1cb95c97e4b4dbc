"""Names of capabilities: components of Graft declare only those that exist."""

from __future__ import annotations

import pytest

from core.contracts import capabilities
from core.contracts.components import AdapterMethod, ModelLoader
from core.registry.registry import load_registry

NAMES = {value for name, value in vars(capabilities).items() if name.isupper() and isinstance(value, str)}
COMPONENTS = load_registry().components


def test_no_two_names_are_the_same() -> None:
    named = [name for name, value in vars(capabilities).items() if name.isupper() and isinstance(value, str)]
    assert len(NAMES) == len(named)
    assert set(capabilities.PRECISIONS) == {"fp32", "bf16", "fp16"} <= NAMES


@pytest.mark.parametrize("loader", COMPONENTS["model"].values(), ids=lambda loader: loader.name)
def test_a_loader_declares_known_capabilities(loader: type[ModelLoader]) -> None:
    assert {*loader.capabilities, *loader.partly} <= NAMES - set(capabilities.PRECISIONS)
    assert set(loader.refuses) <= set(capabilities.PRECISIONS)


@pytest.mark.parametrize("method", COMPONENTS["method"].values(), ids=lambda method: method.name)
def test_a_method_needs_known_capabilities(method: type[AdapterMethod]) -> None:
    assert {*method.needs, *method.experimental} <= NAMES
    assert set(method.refuses) <= set(capabilities.PRECISIONS)
