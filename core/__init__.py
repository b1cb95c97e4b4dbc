"""Graft's public names: what a plugin and a Python program need. Importing it imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.contracts import capabilities
    from core.contracts.components import AdapterMethod, DataAdapter, Metric, ModelLoader, Optimizer, RunConfig
    from core.contracts.footprint import Footprint
    from core.contracts.model import (
        HasFeatures,
        HasOwnFit,
        HasPicture,
        LoadedModel,
        Need,
        ParamGroup,
        Plan,
        Prepared,
        Provenance,
        SupportsFastDropout,
        WeightsPlan,
    )
    from core.contracts.splits import CutOptions, Splits
    from core.contracts.train_config import Train
    from core.contracts.wrapped import WrappedModel
    from core.errors import ConfigError, DataError, GraftError, Problem, WeightsError
    from core.options import option
    from core.registry.hookspecs import hookimpl
    from core.runs.run import resume, run
    from core.tasks.output import OutputSpec
    from core.tasks.targets.target import TargetType
    from core.tasks.task import Task
    from core.tasks.task_type import Kind
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.contracts": ("capabilities",),
            "core.contracts.components": (
                "AdapterMethod",
                "DataAdapter",
                "Metric",
                "ModelLoader",
                "Optimizer",
                "RunConfig",
            ),
            "core.contracts.footprint": ("Footprint",),
            "core.contracts.model": (
                "HasFeatures",
                "HasOwnFit",
                "HasPicture",
                "LoadedModel",
                "Need",
                "ParamGroup",
                "Plan",
                "Prepared",
                "Provenance",
                "SupportsFastDropout",
                "WeightsPlan",
            ),
            "core.contracts.splits": ("CutOptions", "Splits"),
            "core.contracts.train_config": ("Train",),
            "core.contracts.wrapped": ("WrappedModel",),
            "core.errors": ("ConfigError", "DataError", "GraftError", "Problem", "WeightsError"),
            "core.options": ("option",),
            "core.registry.hookspecs": ("hookimpl",),
            "core.runs.run": ("resume", "run"),
            "core.tasks.output": ("OutputSpec",),
            "core.tasks.targets.target": ("TargetType",),
            "core.tasks.task": ("Task",),
            "core.tasks.task_type": ("Kind",),
        },
    )

__all__ = [
    "AdapterMethod",
    "ConfigError",
    "CutOptions",
    "DataAdapter",
    "DataError",
    "Footprint",
    "GraftError",
    "HasFeatures",
    "HasOwnFit",
    "HasPicture",
    "Kind",
    "LoadedModel",
    "Metric",
    "ModelLoader",
    "Need",
    "Optimizer",
    "OutputSpec",
    "ParamGroup",
    "Plan",
    "Prepared",
    "Problem",
    "Provenance",
    "RunConfig",
    "Splits",
    "SupportsFastDropout",
    "TargetType",
    "Task",
    "Train",
    "WeightsError",
    "WeightsPlan",
    "WrappedModel",
    "capabilities",
    "hookimpl",
    "option",
    "resume",
    "run",
]
__version__ = "0.1.0"
