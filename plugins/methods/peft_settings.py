"""Puts peft's updates on a model, from settings that a method states; moves AdaLoRA's ranks while it trains."""

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
from plugins.methods.lora_init import from_what_is_lost, plain_again, refuse_rank
from plugins.methods.peft_model import AdaptedModel, put_on
from plugins.methods.target_modules import chosen

_EXPECTED = ("Specified to not save vera_A", "Invalid `oft_block_size`")
"""Warnings of peft's about what the help of an option says already: matrices not saved, a block size fitted."""


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
        targets: Ends of the names of the modules to adapt; None for the family's own.
        config: Name of the class of peft's configuration.
        settings: Its arguments, but for the modules.
        unfit: Kinds of layers that the method cannot adapt, each with the reason as a clause.

    Raises:
        ConfigError: A target names nothing, or something that cannot be adapted.
    """
    import peft

    def configured(modules: list[str], heads: list[str]) -> Any:
        return getattr(peft, config)(**settings, target_modules=modules, modules_to_save=heads)

    with warnings.catch_warnings():
        for beginning in _EXPECTED:
            warnings.filterwarnings("ignore", message=beginning)
        return put_on(model, targets, configured, unfit)


def lora(
    model: LoadedModel,
    targets: Sequence[str] | None,
    settings: Mapping[str, Any],
    unfit: Mapping[str, str],
    *,
    factors_base: bool,
    from_lost: bool,
    fused: bool,
) -> AdaptedModel:
    """Return the model with low-rank updates on its linear layers and convolutions.

    Args:
        model: Not wrapped yet.
        targets: As `adapt` takes them.
        settings: Arguments of `LoraConfig`.
        unfit: As `adapt` takes it.
        factors_base: Whether updates start from factors of the base weights, which are subtracted from them.
        from_lost: Whether updates start from what quantization loses.
        fused: Whether linear layers compute in few products.
    """
    if factors_base:
        refuse_rank(model.module, chosen(model, targets, unfit), settings["r"])
    whole = _whole(model) if from_lost else None
    adapted = adapt(model, targets, "LoraConfig", settings, unfit)
    if whole is not None:
        from_what_is_lost(unwrap(adapted.module), whole)
    if fused:
        fuse(unwrap(adapted.module))
    if factors_base:
        adapted.saving = plain_again(unwrap(adapted.module))
    return adapted


def _whole(model: LoadedModel) -> nn.Module:
    if not isinstance(model, SupportsDequantizedLoad):
        message = "loftq starts from what quantization loses, and this family does not load its weights whole again."
        raise ConfigError(Problem("method.init", message, "Leave it at default."))
    return model.dequantized()


def oft(
    model: LoadedModel, targets: Sequence[str] | None, settings: Mapping[str, Any], unfit: Mapping[str, str]
) -> AdaptedModel:
    """Return the model with its targets' inputs rotated, in blocks. Arguments are as for `adapt`, of `OFTConfig`."""
    adapted = adapt(model, targets, "OFTConfig", settings, unfit)
    for name, module in adapted.module.named_modules():
        if name.endswith(".oft_R.default"):
            module.register_forward_pre_hook(_as_rows)
            module.register_forward_hook(_shaped_again)
    return adapted


def _as_rows(module: Any, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """Flatten inputs [..., d] of a linear layer to [n, d]: peft takes four dimensions for images."""
    module.seen_shape = inputs[0].shape
    return (inputs[0].flatten(0, -2),)


def _shaped_again(module: Any, inputs: tuple[Tensor], output: Tensor) -> Tensor:
    """Restore the original shape."""
    return output.view(module.seen_shape)


def adalora(model: LoadedModel, targets: Sequence[str] | None, settings: Mapping[str, Any]) -> AdaptedModel:
    """Return the model with updates in the form of singular values and vectors, whose ranks will be moved.

    Arguments are as for `adapt`, of `AdaLoraConfig`.
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
    """Save the ranks that the weights have. The allocator may have moved on since the kept step."""
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


def move_ranks(model: LoadedModel, step: int) -> None:
    """Update the importance of every singular value, and drop those beyond this step's budget."""
    wrapped: Any = unwrap(model.module)
    wrapped.base_model.update_and_allocate(step)


def rank_state(model: LoadedModel) -> dict[str, Any]:
    """Return the allocator's state: smoothed importances, their uncertainty, and the kept ranks."""
    tuner: Any = unwrap(model.module).base_model
    allocator = tuner.rankallocator
    return {
        "importance": dict(allocator.exp_avg_ipt),
        "uncertainty": dict(allocator.exp_avg_unc),
        "pattern": dict(tuner.peft_config["default"].rank_pattern or {}),
    }


def take_rank_state(model: LoadedModel, state: dict[str, Any]) -> None:
    """Restore what `rank_state` returned."""
    tuner: Any = unwrap(model.module).base_model
    allocator, device = tuner.rankallocator, next(tuner.parameters()).device
    allocator.exp_avg_ipt, allocator.exp_avg_unc = (
        {name: value.to(device) for name, value in state[key].items()} for key in ("importance", "uncertainty")
    )
    allocator.ipt = {name: torch.zeros_like(value) for name, value in allocator.exp_avg_ipt.items()}
    tuner.peft_config["default"].rank_pattern = state["pattern"] or None
