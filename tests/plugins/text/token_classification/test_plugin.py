"""The plugin of token classification: what it announces, and that its definitions import nothing heavy."""

from __future__ import annotations

import subprocess
import sys

from plugins.text.token_classification import plugin
from plugins.text.token_classification.example import TAGS

HEAVY = ("numpy", "torch", "torchmetrics", "transformers")


def test_what_the_plugin_announces_fits_together() -> None:
    (task_type,) = plugin.task_types()
    (target,) = plugin.target_types()
    assert target.name in task_type.targets
    assert all(TAGS in metric.targets for metric in plugin.metrics())
    names = [metric.name for metric in plugin.metrics()]
    assert names == ["entity_precision", "entity_recall", "entity_f1", "token_accuracy"]


def test_definitions_import_nothing_heavy() -> None:
    code = f"import sys, {plugin.__name__}; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
