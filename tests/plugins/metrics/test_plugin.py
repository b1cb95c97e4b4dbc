"""The metrics that the plugins announce fit the presets: names and options exist, and every line is explained."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from core.options import violations
from core.tasks.detection.target import BOXES
from core.tasks.targets.multi_label import MULTI
from core.tasks.targets.regression import REGRESSION
from core.tasks.targets.single_label import SINGLE
from plugins.metrics.plugin import metrics
from plugins.text.token_classification import plugin as token_classification
from plugins.text.token_classification.example import TAGS

FOLDER = Path(__file__).parents[3] / "conf" / "metrics"
PRESETS = sorted(FOLDER.glob("*.yaml"))
COMPONENTS = {component.name: component for component in (*metrics(), *token_classification.metrics())}


def contents(preset: Path) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Component name by key, and options by key."""
    options = yaml.safe_load(preset.read_text())
    chosen = {}
    for line in options.pop("defaults"):
        [(slot, name)] = line.items()
        chosen[slot.removeprefix("/metric@")] = name
    return chosen, options


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.stem)
def test_names_and_options_exist(preset: Path) -> None:
    chosen, options = contents(preset)
    assert set(chosen.values()) <= set(COMPONENTS)
    assert set(options) <= set(chosen)
    for key, values in options.items():
        component = COMPONENTS[chosen[key]]
        assert set(values) <= {each.name for each in fields(component)}
        assert not list(violations(component(**values), key))


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.stem)
def test_keys_say_their_averaging(preset: Path) -> None:
    chosen, options = contents(preset)
    if preset.stem == "detection":  # its keys give the overlap and the size; see test_detection.py
        return
    for key, name in chosen.items():
        average = options.get(key, {}).get("average")
        assert key == (f"{name}_{average}" if average else name)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.stem)
def test_every_line_is_commented(preset: Path) -> None:
    lines = preset.read_text().splitlines()
    assert all("#" in line for line in lines if line != "defaults:")


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("classification", SINGLE),
        ("multilabel", MULTI),
        ("regression", REGRESSION),
        ("detection", BOXES),
        ("entities", TAGS),
        ("plain_tags", TAGS),
    ],
)
def test_metrics_accept_the_target(name: str, target: str) -> None:
    chosen, _ = contents(FOLDER / f"{name}.yaml")
    assert all(target in COMPONENTS[component].targets for component in chosen.values())
