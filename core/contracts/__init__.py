"""What a plugin implements: components, loaded models, splits and the options of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.contracts.capabilities import (
        ADAPTERS,
        BIASES,
        CHECKPOINTING,
        FEATURES,
        FP16,
        GRADIENTS,
        LAYERS,
        LINEAR,
        PAST,
        QUANTISED,
        VIRTUAL,
    )
    from core.contracts.components import AdapterMethod, DataAdapter, Metric, ModelLoader, Optimizer, RunConfig
    from core.contracts.footprint import Footprint
    from core.contracts.model import (
        HasFeatures,
        HasOwnFit,
        HasPicture,
        HasVirtualTokens,
        HasWholeWeights,
        IsCostly,
        LoadedModel,
        Need,
        ParamGroup,
        Plan,
        Prepared,
        Provenance,
        SupportsFastDropout,
        WeightsPlan,
        epochs_for,
    )
    from core.contracts.splits import CutOptions, Splits
    from core.contracts.train_config import ResolvedTrain, Train
    from core.contracts.wrapped import WrappedModel
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.contracts.capabilities": (
                "ADAPTERS",
                "BIASES",
                "CHECKPOINTING",
                "FEATURES",
                "FP16",
                "GRADIENTS",
                "LAYERS",
                "LINEAR",
                "PAST",
                "QUANTISED",
                "VIRTUAL",
            ),
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
                "HasVirtualTokens",
                "HasWholeWeights",
                "IsCostly",
                "LoadedModel",
                "Need",
                "ParamGroup",
                "Plan",
                "Prepared",
                "Provenance",
                "SupportsFastDropout",
                "WeightsPlan",
                "epochs_for",
            ),
            "core.contracts.splits": ("CutOptions", "Splits"),
            "core.contracts.train_config": ("ResolvedTrain", "Train"),
            "core.contracts.wrapped": ("WrappedModel",),
        },
    )

__all__ = [
    "ADAPTERS",
    "BIASES",
    "CHECKPOINTING",
    "FEATURES",
    "FP16",
    "GRADIENTS",
    "LAYERS",
    "LINEAR",
    "PAST",
    "QUANTISED",
    "VIRTUAL",
    "AdapterMethod",
    "CutOptions",
    "DataAdapter",
    "Footprint",
    "HasFeatures",
    "HasOwnFit",
    "HasPicture",
    "HasVirtualTokens",
    "HasWholeWeights",
    "IsCostly",
    "LoadedModel",
    "Metric",
    "ModelLoader",
    "Need",
    "Optimizer",
    "ParamGroup",
    "Plan",
    "Prepared",
    "Provenance",
    "ResolvedTrain",
    "RunConfig",
    "Splits",
    "SupportsFastDropout",
    "Train",
    "WeightsPlan",
    "WrappedModel",
    "epochs_for",
]
