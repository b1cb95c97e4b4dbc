"""Every registered component has a name, help and a complete schema; registering one is enough to test it."""

from __future__ import annotations

import pytest

from core.component import Component
from core.registry.registry import load_registry
from core.testing.components import check_component

EVERY = {
    f"{point}-{name}": component
    for point, components in load_registry().components.items()
    for name, component in components.items()
}


@pytest.mark.parametrize("component", EVERY.values(), ids=EVERY)
def test_component(component: type[Component]) -> None:
    check_component(component)
