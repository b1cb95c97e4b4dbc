"""What a plugin implements and receives: components, loaded models, splits, options of training."""

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
        QUANTIZED,
        VIRTUAL,
    )
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
        epochs_for,
    )
    from core.contracts.protocols import (
        NeedsWorkers,
        SupportsDequantizedLoad,
        SupportsFastDropout,
        SupportsFeatures,
        SupportsFit,
        SupportsPreview,
        SupportsVirtualTokens,
    )
    from core.contracts.splits import SplitOptions, Splits
    from core.contracts.train_config import ResolvedTrain, TrainConfig
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
                "QUANTIZED",
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
                "LoadedModel",
                "LoadRequest",
                "ParamGroup",
                "TrainingPlan",
                "PreparedDataset",
                "Provenance",
                "QuantizationConfig",
                "epochs_for",
            ),
            "core.contracts.protocols": (
                "SupportsFeatures",
                "SupportsFit",
                "SupportsPreview",
                "SupportsVirtualTokens",
                "SupportsDequantizedLoad",
                "NeedsWorkers",
                "SupportsFastDropout",
            ),
            "core.contracts.splits": ("SplitOptions", "Splits"),
            "core.contracts.train_config": ("ResolvedTrain", "TrainConfig"),
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
    "QUANTIZED",
    "VIRTUAL",
    "AdapterMethod",
    "DataAdapter",
    "Footprint",
    "LoadRequest",
    "LoadedModel",
    "Metric",
    "ModelLoader",
    "NeedsWorkers",
    "Optimizer",
    "ParamGroup",
    "PreparedDataset",
    "Provenance",
    "QuantizationConfig",
    "ResolvedTrain",
    "RunConfig",
    "SplitOptions",
    "Splits",
    "SupportsDequantizedLoad",
    "SupportsFastDropout",
    "SupportsFeatures",
    "SupportsFit",
    "SupportsPreview",
    "SupportsVirtualTokens",
    "TrainConfig",
    "TrainingPlan",
    "WrappedModel",
    "epochs_for",
]
