"""A component that is the variant of another one replaces it for the task types that only the variant supports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pluggy
import pytest

from core.contracts.components import Metric
from core.errors import ConfigError
from core.registry.discovery import Plugin
from core.registry.registry import Registry
from core.registry.variants import description, originals, replacement, supports


def metric(own_name: str, types: tuple[str, ...], original: str = "") -> type[Metric]:
    @dataclass
    class Made(Metric):
        """A metric."""

        name: ClassVar[str] = own_name
        task_types: ClassVar[tuple[str, ...]] = types
        variant_of: ClassVar[str] = original

        def build(self, output: Any) -> Any:
            return None

    return Made


def registry(**owners: type[Metric]) -> Registry:
    plugins = [Plugin(name, name, built_in=name.startswith("own")) for name in owners]
    made = Registry(pluggy.PluginManager("test"), plugins)
    for owner, component in owners.items():
        made.components["metric"][component.name] = component
        made.owners["metric"][component.name] = owner
    return made


FIRST, SECOND = metric("a", ("one",)), metric("b", ("two",), "a")


def test_the_variant_replaces_the_component_where_only_the_variant_supports_the_task_type() -> None:
    found = registry(own=FIRST, acme=SECOND)
    assert originals(found) == {("metric", "a")}
    assert replacement(found, "metric", "a", "two") == (SECOND, "acme")
    for name, task_type in (("a", "one"), ("a", "three"), ("b", "one"), ("b", "two"), ("unknown", "two")):
        assert replacement(found, "metric", name, task_type) is None
    everywhere = registry(own=metric("a", ()), acme=SECOND)
    assert replacement(everywhere, "metric", "a", "two") is None


def test_two_variants_of_third_parties_are_refused_and_a_built_in_one_wins() -> None:
    third = metric("c", ("two", "three"), "a")
    with pytest.raises(ConfigError) as caught:
        replacement(registry(own=FIRST, acme=SECOND, other=third), "metric", "a", "two")
    text = caught.value.report()
    assert "metric: a has several variants for the task type 'two': b (plugin acme) and c (plugin other)." in text
    assert "GRAFT_DISABLE=NAME" in text
    assert replacement(registry(own=FIRST, acme=SECOND, other=third), "metric", "a", "three") == (third, "other")
    assert replacement(registry(own=FIRST, own_too=SECOND, other=third), "metric", "a", "two") == (SECOND, "own_too")


def test_what_a_component_is_a_variant_of() -> None:
    assert description(SECOND) == "variant of a for two"
    assert description(FIRST) == ""
    assert supports(FIRST, "one")
    assert not supports(FIRST, "two")
    assert supports(metric("any", ()), "two")
