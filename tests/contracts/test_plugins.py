"""Every plugin imports nothing heavy and is complete, and every preset of Graft composes."""

from __future__ import annotations

import pytest

from core.config import presets
from core.registry.preset_files import Preset
from core.registry.registry import load_registry
from core.testing.plugins import check_plugin, check_preset

PLUGINS = [plugin.name for plugin in load_registry().plugins]
OWN = [preset for preset in presets.every() if preset.owner == "graft"]


@pytest.mark.parametrize("name", PLUGINS)
def test_plugin(name: str) -> None:
    check_plugin(name)


@pytest.mark.parametrize("preset", OWN, ids=lambda preset: f"{preset.group}-{preset.name}")
def test_preset(preset: Preset) -> None:
    check_preset(preset)
