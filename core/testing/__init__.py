"""Conformance tests for plugins: functions that check a component and raise `AssertionError`.

Graft runs them on all registered components. Run them in the tests of your plugin, with or without pytest:

    from core.testing import check_method, check_plugin

    def test_plugin():
        check_plugin("acme")

    def test_method(tmp_path):
        check_method(Anchor(), Bag(), tmp_path)

The docstring of each check lists its requirements. The error says what was found and how to fix it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.testing.components import check_component
    from core.testing.data import check_data_adapter
    from core.testing.methods import check_cell, check_method
    from core.testing.metrics import check_metric
    from core.testing.models import check_model_loader
    from core.testing.plugins import check_light, check_plugin, check_preset
    from core.testing.samples import sample_examples, sample_output, sample_request, sample_task
    from core.testing.targets import check_target_type
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.testing.components": ("check_component",),
            "core.testing.data": ("check_data_adapter",),
            "core.testing.methods": ("check_cell", "check_method"),
            "core.testing.metrics": ("check_metric",),
            "core.testing.models": ("check_model_loader",),
            "core.testing.plugins": ("check_light", "check_plugin", "check_preset"),
            "core.testing.samples": ("sample_examples", "sample_request", "sample_output", "sample_task"),
            "core.testing.targets": ("check_target_type",),
        },
    )

__all__ = [
    "check_cell",
    "check_component",
    "check_data_adapter",
    "check_light",
    "check_method",
    "check_metric",
    "check_model_loader",
    "check_plugin",
    "check_preset",
    "check_target_type",
    "sample_examples",
    "sample_output",
    "sample_request",
    "sample_task",
]
