"""LoRA on quantized base weights: hardware checks and exact merging."""

from __future__ import annotations

import copy
import platform
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.errors import Problem
from core.runtime import gpu_at_hand, unwrap

if TYPE_CHECKING:
    from torch import nn

    from core.contracts import LoadedModel, RunConfig


def problems(config: RunConfig, compute_dtype: str) -> Iterator[Problem]:
    """Yield what prevents bitsandbytes from working on this machine, without importing anything.

    Args:
        config: Gives device and precision.
        compute_dtype: Data type of matrix products.
    """
    method, train = config.method.name, config.train
    on_gpu = train.device.startswith("cuda") or (train.device == "auto" and gpu_at_hand())
    instead = "Use method=lora, or run it on a CPU (train.device=cpu) or on an NVIDIA GPU."
    if train.device.startswith("mps") or (train.device == "auto" and sys.platform == "darwin"):
        yield Problem("method", f"{method} has no quantized kernels for Apple's GPUs (mps).", instead)
    elif not on_gpu and platform.machine().lower() not in ("x86_64", "amd64", "aarch64", "arm64"):
        message = f"{method} has no quantized kernels for this processor ({platform.machine()})."
        yield Problem("method", message, "Use method=lora, or run it on an x86-64 or ARM processor or an NVIDIA GPU.")
    if compute_dtype == "float16" and not on_gpu:
        cure = "Use method.compute_dtype=auto (bf16 where the processor has it, else float32)."
        yield Problem("method.compute_dtype", "float16 on a CPU is hundreds of times slower than float32.", cure)


def merged_model(model: LoadedModel) -> LoadedModel:
    """Return the inner model, dequantized, with the updates added to its weights; see `merged`."""
    from plugins.methods.peft_model import AdaptedModel

    plain = model.unwrapped()
    if isinstance(plain, AdaptedModel):
        plain.inner.module = merged(unwrap(plain.module))
        return plain.inner
    return plain


def merged(wrapped: Any) -> nn.Module:
    """Return the dequantized base with the adapter merged into its weights.

    The base is dequantized first, because merging into 4-bit weights would round again.

    Args:
        wrapped: A `PeftModel` whose base is quantized; it is not changed.
    """
    from peft import get_peft_model, set_peft_model_state_dict
    from peft.utils import get_peft_model_state_dict

    config = copy.deepcopy(wrapped.peft_config["default"])
    state = get_peft_model_state_dict(wrapped)
    quantized = copy.deepcopy(wrapped).unload()
    sources = {name: layer.source_cls for name, layer in quantized.named_modules() if hasattr(layer, "source_cls")}
    with _quiet():
        again: Any = get_peft_model(quantized.dequantize().float(), config)
    set_peft_model_state_dict(again, state)
    result: nn.Module = again.merge_and_unload()
    for name, source in sources.items():
        layer = result.get_submodule(name)
        if not isinstance(layer, source):
            result.set_submodule(name, _transposed_again(layer, source))
    return result


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' warnings about dequantizing and about a deprecated name that peft still uses."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)


def _transposed_again(layer: Any, source: Any) -> nn.Module:
    """Return a linear layer as the class that it had before quantization, with transposed weights (GPT-2)."""
    outputs, inputs = layer.weight.shape
    made: Any = source(outputs, inputs)
    made.weight.data, made.bias.data = layer.weight.data.T.contiguous(), layer.bias.data
    return made  # type: ignore[no-any-return]
