"""Graft's public API, for plugins and for Python programs. Importing it imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.contracts import capabilities
    from core.contracts.components import AdapterMethod, DataAdapter, Metric, ModelLoader, Optimizer, RunConfig
    from core.contracts.footprint import Footprint
    from core.contracts.model import (
        LoadedModel,
        LoadRequest,
        ParamGroup,
        PreparedDataset,
        Provenance,
        QuantizationConfig,
        TrainingPlan,
    )
    from core.contracts.protocols import SupportsFastDropout, SupportsFeatures, SupportsFit, SupportsPreview
    from core.contracts.splits import SplitOptions, Splits
    from core.contracts.train_config import TrainConfig
    from core.contracts.wrapped import WrappedModel
    from core.errors import ConfigError, DataError, GraftError, Problem, WeightsError
    from core.options import option
    from core.registry.hookspecs import hookimpl
    from core.runs.run import resume, run
    from core.tasks.output import OutputSpec
    from core.tasks.targets.target import TargetType
    from core.tasks.task import Task
    from core.tasks.task_type import TaskType
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
                "LoadedModel",
                "LoadRequest",
                "ParamGroup",
                "TrainingPlan",
                "PreparedDataset",
                "Provenance",
                "QuantizationConfig",
            ),
            "core.contracts.protocols": (
                "SupportsFeatures",
                "SupportsFit",
                "SupportsPreview",
                "SupportsFastDropout",
            ),
            "core.contracts.splits": ("SplitOptions", "Splits"),
            "core.contracts.train_config": ("TrainConfig",),
            "core.contracts.wrapped": ("WrappedModel",),
            "core.errors": ("ConfigError", "DataError", "GraftError", "Problem", "WeightsError"),
            "core.options": ("option",),
            "core.registry.hookspecs": ("hookimpl",),
            "core.runs.run": ("resume", "run"),
            "core.tasks.output": ("OutputSpec",),
            "core.tasks.targets.target": ("TargetType",),
            "core.tasks.task": ("Task",),
            "core.tasks.task_type": ("TaskType",),
        },
    )

__all__ = [
    "AdapterMethod",
    "ConfigError",
    "DataAdapter",
    "DataError",
    "Footprint",
    "GraftError",
    "LoadRequest",
    "LoadedModel",
    "Metric",
    "ModelLoader",
    "Optimizer",
    "OutputSpec",
    "ParamGroup",
    "PreparedDataset",
    "Problem",
    "Provenance",
    "QuantizationConfig",
    "RunConfig",
    "SplitOptions",
    "Splits",
    "SupportsFastDropout",
    "SupportsFeatures",
    "SupportsFit",
    "SupportsPreview",
    "TargetType",
    "Task",
    "TaskType",
    "TrainConfig",
    "TrainingPlan",
    "WeightsError",
    "WrappedModel",
    "capabilities",
    "hookimpl",
    "option",
    "resume",
    "run",
]
__version__ = "0.1.0"
