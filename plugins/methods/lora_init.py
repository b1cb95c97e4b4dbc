"""LoRA initialized from factors of the base weights (PiSSA, OLoRA) or from their quantization error (LoftQ)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from core.errors import ConfigError, Problem
from plugins.methods.target_modules import matching_modules

if TYPE_CHECKING:
    from plugins.methods.peft_model import Saving


def lora_saving(wrapped: Any) -> Saving:
    """Return how to save a module that starts from factors A0, B0 of its base weights.

    Training changes W - s B0 A0 + s B A. If the base W is not saved, this is saved as a LoRA of twice the rank on W,
    with factors [A; A0] and [B, -B0] (peft does the same, but drops the head). If the base is saved, its residual
    W - s B0 A0 is saved with A and B. In both cases peft must not factor again when opening.

    Args:
        wrapped: A `PeftModel`, before it is trained.
    """
    initial = {name: (down.clone(), up.clone()) for name, down, up in _factors(wrapped)}

    @contextmanager
    def saving(wrapped: Any, with_base: bool) -> Iterator[None]:
        kept = wrapped.peft_config["default"]
        config = wrapped.peft_config["default"] = copy.copy(kept)
        config.init_lora_weights = True
        trained = {} if with_base else {name: (down, up) for name, down, up in _factors(wrapped)}
        if not with_base:
            config.r = 2 * kept.r
            config.lora_alpha = kept.lora_alpha * (2**0.5 if kept.use_rslora else 2)
        try:
            for name, (down, up) in trained.items():
                first_down, first_up = (each.to(down.device) for each in initial[name])
                _set_factors(wrapped, name, torch.cat([down, first_down], 0), torch.cat([up, -first_up], 1))
            yield
        finally:
            for name, (down, up) in trained.items():
                _set_factors(wrapped, name, down, up)
            kept.base_model_name_or_path = config.base_model_name_or_path
            wrapped.peft_config["default"] = kept

    return saving


def refuse_rank(module: nn.Module, ends: Sequence[str], rank: int) -> None:
    """Refuse a rank above the full rank of a matrix.

    Args:
        module: Not wrapped yet.
        ends: Name endings of the modules to adapt.
        rank: Rank of every update.

    Raises:
        ConfigError: A matrix has fewer factors.
    """
    layers: Mapping[str, Any] = dict(module.named_modules())
    found = {name: min(layers[name].weight.shape) for end in ends for name in matching_modules(layers, end)}
    name = min(found, key=lambda each: found[each])
    if found[name] < rank:
        message = f"{rank} is more than the {found[name]} factors that the matrix {name} has."
        raise ConfigError(Problem("method.rank", message, f"Use at most {found[name]}, or other method.targets."))


@torch.no_grad()
def start_from_quantization_error(wrapped: Any, whole: nn.Module) -> None:
    """Initialize each update from the top singular vectors of its weights' quantization error.

    LoftQ (Li et al. 2023, arXiv:2310.08659) with one iteration. The quantized weights do not change, so the adapter
    fits the base when it is quantized again. Layers that are not quantized, or have fewer ranks than requested, keep
    LoRA's default: A random, B zero.

    Args:
        wrapped: A `PeftModel` on a quantized base, before it is trained.
        whole: The base, not quantized, with the same module names.
    """
    from peft.utils.integrations import dequantize_module_weight

    base = wrapped.get_base_model()
    names = {layer: name for name, layer in base.named_modules()}
    for name, down, up in list(_factors(wrapped)):
        layer = wrapped.get_submodule(name)
        if not is_quantized(layer.base_layer):
            continue
        quantized = dequantize_module_weight(layer.base_layer).float()
        stored: Any = whole.get_submodule(names[layer])
        weights = stored.weight if isinstance(stored, nn.Linear) else stored.weight.T  # GPT-2's are transposed
        lost = weights.to(quantized.device).float() - quantized
        left, values, right = torch.linalg.svd(lost / layer.scaling["default"], full_matrices=False)
        rank = min(len(down), len(values))
        roots = values[:rank].sqrt()
        up[:, :rank] = left[:, :rank] * roots
        down[:rank] = roots[:, None] * right[:rank]


def is_quantized(layer: Any) -> bool:
    """Return whether bitsandbytes has quantized a layer's weights."""
    return hasattr(layer.weight, "quant_state") or hasattr(layer.weight, "SCB")


def _factors(wrapped: Any) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield each adapted matrix: its module's name, A [r, in] and B [out, r]."""
    for name, layer in wrapped.named_modules():
        if "default" in getattr(layer, "lora_A", ()):
            yield name, layer.lora_A["default"].weight.detach(), layer.lora_B["default"].weight.detach()


def _set_factors(wrapped: Any, name: str, down: Tensor, up: Tensor) -> None:
    layer = wrapped.get_submodule(name)
    for factors, value in ((layer.lora_A, down), (layer.lora_B, up)):
        factors["default"].weight = nn.Parameter(value)
