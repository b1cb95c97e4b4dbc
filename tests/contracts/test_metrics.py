"""Every metric, with each value of its choices, for each target type that it accepts."""

from __future__ import annotations

import dataclasses

import pytest

from core.contracts.components import Metric
from core.options import limits
from core.registry.registry import load_registry
from core.testing.metrics import check_metric


def variants() -> dict[str, Metric]:
    """Each metric at its defaults, and once for each value of an option with choices."""
    found: dict[str, Metric] = {}
    for name, component in load_registry().components["metric"].items():
        plain = component()
        assert isinstance(plain, Metric)
        found[name] = plain
        for field in dataclasses.fields(component):
            for choice in limits(field).choices:
                found[f"{name}-{field.name}-{choice}"] = dataclasses.replace(plain, **{field.name: choice})
    return found


VARIANTS = variants()


@pytest.mark.parametrize("metric", VARIANTS.values(), ids=VARIANTS)
def test_metric(metric: Metric) -> None:
    check_metric(metric)


def test_two_labels() -> None:
    """Some metrics look at the second of two labels only."""
    for metric in VARIANTS.values():
        for target in metric.targets:
            check_metric(metric, target, labels=("no", "yes"))
