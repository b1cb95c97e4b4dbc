"""Names of the capabilities of models, and of the precisions.

`core.registry.compatibility` says what each capability means. Plugins use `from core import capabilities`.
"""

from __future__ import annotations

GRADIENTS = "gradients"
ADAPTERS = "adapters"
LAYERS = "layers"
FEATURES = "features"
QUANTIZED = "quantised"
CHECKPOINTING = "checkpointing"
LINEAR = "linear"
VIRTUAL = "virtual_tokens"
PAST = "past"
BIASES = "biases"

FP32, BF16, FP16 = "fp32", "bf16", "fp16"
PRECISIONS = (FP32, BF16, FP16)
