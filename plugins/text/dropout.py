"""Dropout for CPUs: masks from packed 16-bit integers, several times faster than torch's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

ATTENTION = "graft_sdpa"
"""The name that attention with this dropout has in transformers."""
_LEVELS = 1 << 16
_HALF_DTYPES = (torch.bfloat16, torch.float16)


def scaled_mask(shape: torch.Size, p: float, dtype: torch.dtype) -> Tensor:
    """Return a mask that is 0 with probability `p`, rounded to 1/65536, and 1 / (1 - p) elsewhere.

    Each 64-bit integer from torch's global generator gives four 16-bit integers. The generator's state in a checkpoint
    is therefore enough to repeat a mask. `torch.bernoulli` is slower: it draws once per element, serially.
    """
    dropped = min(round(p * _LEVELS), _LEVELS - 1)
    scale = _LEVELS / (_LEVELS - dropped)
    size = shape.numel()
    packed = torch.empty((size + 3) // 4, dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
    bits = packed.view(torch.int16)[:size]
    if dtype in _HALF_DTYPES:  # compare and scale in place: the bit pattern of a 16-bit float, times 0 or 1
        pattern = int(torch.tensor(scale, dtype=dtype).view(torch.int16))
        return torch.ge(bits, dropped - _LEVELS // 2, out=bits).mul_(pattern).view(dtype).view(shape)
    return torch.ge(bits, dropped - _LEVELS // 2, out=torch.empty(size, dtype=dtype)).mul_(scale).view(shape)


class _Dropout(torch.autograd.Function):
    """Multiplication by a random mask; only the mask is stored for the backward pass."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, p: float) -> Tensor:
        mask = scaled_mask(hidden.shape, p, hidden.dtype)
        ctx.save_for_backward(mask)
        return hidden * mask

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return gradient * mask, None


def drop(hidden: Tensor, p: float) -> Tensor:
    """Apply dropout in training. Off the CPU and under a compiler, torch's own dropout is used."""
    if torch.compiler.is_compiling() or hidden.device.type != "cpu" or not hidden.is_floating_point():
        return nn.functional.dropout(hidden, p, training=True)
    return _Dropout.apply(hidden, p)  # type: ignore[no-any-return]


class FastDropout(nn.Dropout):
    """A drop-in replacement for `nn.Dropout`, with the same distribution."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply dropout in training; return the input in evaluation."""
        return drop(input, self.p) if self.training and self.p > 0 else input


def use_fast_dropout(module: nn.Module) -> None:
    """Make a transformers model use these masks, in its `nn.Dropout` modules and in its attention.

    State dict and saved configuration do not change. Attention is replaced only if it is `sdpa`.
    """
    for child in module.modules():
        if type(child) is nn.Dropout:
            child.__class__ = FastDropout
    network: Any = module
    config = getattr(network, "config", None)
    if getattr(config, "_attn_implementation", None) == "sdpa" and hasattr(network, "set_attn_implementation"):
        _register()
        network.set_attn_implementation(ATTENTION)


def _register() -> None:
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(ATTENTION, attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Compute attention with the fast dropout when training on a CPU, else with transformers' own `sdpa`.

    Args:
        module: The attention module that calls this function.
        query, key, value: [b, heads, s, width of a head].
        attention_mask: bool [b, 1, s, s], True where a token may attend. None allows all tokens, or in a causal module
            all earlier ones.
        dropout: Probability of dropping an attention weight.
        scaling: Factor of the scores; None for 1 / sqrt(width of a head).

    Returns:
        The output, [b, s, heads, width of a head], and None for the attention weights.
    """
    plain = dropout == 0.0 or query.device.type != "cpu" or kwargs.get("position_bias") is not None
    if plain or key.shape[1] != query.shape[1]:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        given = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return given[0], None
    causal = kwargs.get("is_causal")
    if attention_mask is None and (getattr(module, "is_causal", True) if causal is None else causal):
        attention_mask = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool).tril()
    scores = torch.matmul(query * (scaling or query.shape[-1] ** -0.5), key.transpose(-1, -2))
    if attention_mask is not None:
        allowed = attention_mask.dtype == torch.bool
        bias = _bias(attention_mask, scores.dtype) if allowed else attention_mask
        scores = scores + bias
    weights = drop(scores.softmax(dim=-1), dropout).to(value.dtype)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), None


def _bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 0 where the mask is true, else the lowest finite number, which keeps fully masked rows finite."""
    return torch.zeros(mask.shape, dtype=dtype).masked_fill_(~mask, torch.finfo(dtype).min)
