"""Put peft's updates on a model from a method's settings, and change AdaLoRA's ranks during training."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from core.contracts import LoadedModel, SupportsDequantizedLoad
from core.errors import ConfigError, Problem
from core.runtime import unwrap
from plugins.methods.fused_lora import fuse
from plugins.methods.layer_kinds import NOTHING
from plugins.methods.lora_init import lora_saving, refuse_rank, start_from_quantization_error
from plugins.methods.peft_model import AdaptedModel, wrap_with_peft
from plugins.methods.target_modules import choose_targets

_EXPECTED = ("Specified to not save vera_A", "Invalid `oft_block_size`")
"""Warnings of peft that repeat the help of an option: matrices not saved, an adjusted block size."""


def adapt(
    model: LoadedModel,
    targets: Sequence[str] | None,
    config: str,
    settings: Mapping[str, Any],
    unfit: Mapping[str, str] = NOTHING,
) -> AdaptedModel:
    """Return the model with peft's updates on its targets.

    Args:
        model: Not wrapped yet.
        targets: Name endings of the modules to adapt; None for the family's defaults.
        config: Name of peft's configuration class.
        settings: Its arguments, except the modules.
        unfit: Types of layers that the method cannot adapt, each with the reason as a clause.

    Raises:
        ConfigError: A target matches no module, or one that cannot be adapted.
    """
    import peft

    def configured(modules: list[str], heads: list[str]) -> Any:
        return getattr(peft, config)(**settings, target_modules=modules, modules_to_save=heads)

    with warnings.catch_warnings():
        for beginning in _EXPECTED:
            warnings.filterwarnings("ignore", message=beginning)
        return wrap_with_peft(model, targets, configured, unfit)


def lora(
    model: LoadedModel,
    targets: Sequence[str] | None,
    settings: Mapping[str, Any],
    unfit: Mapping[str, str],
    *,
    factors_base: bool,
    from_quantization_error: bool,
    fused: bool,
) -> AdaptedModel:
    """Return the model with low-rank updates on its linear layers and convolutions.

    Args:
        model: Not wrapped yet.
        targets: See `adapt`.
        settings: Arguments of `LoraConfig`.
        unfit: See `adapt`.
        factors_base: Whether updates start from factors of the base weights, which are subtracted from them.
        from_quantization_error: Whether updates start from the quantization error (LoftQ).
        fused: Whether linear layers use fused products in training.
    """
    if factors_base:
        refuse_rank(model.module, choose_targets(model, targets, unfit), settings["r"])
    whole = _unquantized(model) if from_quantization_error else None
    adapted = adapt(model, targets, "LoraConfig", settings, unfit)
    if whole is not None:
        start_from_quantization_error(unwrap(adapted.module), whole)
    if fused:
        fuse(unwrap(adapted.module))
    if factors_base:
        adapted.saving = lora_saving(unwrap(adapted.module))
    return adapted


def _unquantized(model: LoadedModel) -> nn.Module:
    if not isinstance(model, SupportsDequantizedLoad):
        message = "loftq needs the quantization error, but this family cannot load its weights without quantization."
        raise ConfigError(Problem("method.init", message, "Leave it at default."))
    return model.dequantized()


def oft(
    model: LoadedModel, targets: Sequence[str] | None, settings: Mapping[str, Any], unfit: Mapping[str, str]
) -> AdaptedModel:
    """Return the model with rotations of its targets' inputs, in blocks. See `adapt`; settings are of `OFTConfig`."""
    adapted = adapt(model, targets, "OFTConfig", settings, unfit)
    for name, module in adapted.module.named_modules():
        if name.endswith(".oft_R.default"):
            module.register_forward_pre_hook(_as_rows)
            module.register_forward_hook(_restore_shape)
    return adapted


def _as_rows(module: Any, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """Flatten inputs [..., d] of a linear layer to [n, d]: peft treats four-dimensional inputs as images."""
    module.seen_shape = inputs[0].shape
    return (inputs[0].flatten(0, -2),)


def _restore_shape(module: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
    """Restore the original shape."""
    return output.view(module.seen_shape)


def adalora(model: LoadedModel, targets: Sequence[str] | None, settings: Mapping[str, Any]) -> AdaptedModel:
    """Return the model with updates in the form of singular values and vectors, whose ranks will change.

    See `adapt`; settings are of `AdaLoraConfig`.
    """
    adapted = adapt(model, targets, "AdaLoraConfig", settings)
    wrapped: Any = unwrap(adapted.module)
    adapted.saving = _ranks_by_weights
    if weight := settings["orth_reg_weight"]:
        vectors = [each for name, each in wrapped.named_parameters() if ".lora_A." in name or ".lora_B." in name]
        adapted.penalty = lambda: weight * _skew(vectors)
    return adapted


def _skew(vectors: Sequence[Tensor]) -> Tensor:
    """Return how far singular vectors are from orthonormal: the mean Frobenius norm over matrices, []."""
    terms = []
    for each in vectors:
        square = each @ each.T if each.shape[0] <= each.shape[1] else each.T @ each
        terms.append(torch.linalg.matrix_norm(square - torch.eye(len(square), device=each.device)))
    return torch.stack(terms).mean()


@contextmanager
def _ranks_by_weights(wrapped: Any, with_base: bool) -> Iterator[None]:
    """Save the ranks of the current weights. The allocator may have changed since the best step."""
    config = wrapped.peft_config["default"]
    kept, config.rank_pattern = config.rank_pattern, _pattern(wrapped)
    try:
        yield
    finally:
        config.rank_pattern = kept


def _pattern(wrapped: Any) -> dict[str, list[bool]]:
    """Return which singular values of each matrix are in use; at least one, as peft cannot hold rank 0."""
    found = {}
    for name, values in wrapped.base_model.model.named_parameters():
        if ".lora_E.default" in name:
            used = (values.detach() != 0).view(-1).tolist()
            found[name] = used if any(used) else [True, *used[1:]]
    return found


def update_ranks(model: LoadedModel, step: int) -> None:
    """Update the importance of every singular value, and drop those beyond this step's budget."""
    wrapped: Any = unwrap(model.module)
    wrapped.base_model.update_and_allocate(step)


def rank_state(model: LoadedModel) -> dict[str, Any]:
    """Return the allocator's state: smoothed importances, their uncertainty, and the remaining ranks."""
    tuner: Any = unwrap(model.module).base_model
    allocator = tuner.rankallocator
    return {
        "importance": dict(allocator.exp_avg_ipt),
        "uncertainty": dict(allocator.exp_avg_unc),
        "pattern": dict(tuner.peft_config["default"].rank_pattern or {}),
    }


def load_rank_state(model: LoadedModel, state: dict[str, Any]) -> None:
    """Restore a state from `rank_state`."""
    tuner: Any = unwrap(model.module).base_model
    allocator, device = tuner.rankallocator, next(tuner.parameters()).device
    allocator.exp_avg_ipt, allocator.exp_avg_unc = (
        {name: value.to(device) for name, value in state[key].items()} for key in ("importance", "uncertainty")
    )
    allocator.ipt = {name: torch.zeros_like(value) for name, value in allocator.exp_avg_ipt.items()}
    tuner.peft_config["default"].rank_pattern = state["pattern"] or None
