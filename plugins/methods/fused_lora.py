"""Fused training of LoRA's linear layers: layer, update and gradients in as few matrix products as possible.

The result equals peft's up to rounding. peft computes an update as a chain of operations (casts, two products, a
scaling, a sum), and each reads and writes as much memory as the layer itself. It also casts the frozen weight to half
precision in every pass. Here the second product adds the update to the output, and the cast weight is cached: autograd
would store it for the backward pass anyway.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

ADAPTER = "default"
"""peft's name for the only adapter of a run."""


def fuse(wrapped: nn.Module) -> int:
    """Make the adapted linear layers of a `PeftModel` compute fused products in training; return their number.

    State dict, merging, saving and evaluation remain peft's.
    """
    fit = [layer for layer in wrapped.modules() if type(layer) is Linear and _can_fuse(layer)]
    for layer in fit:
        layer.__class__ = FusedLinear
    return len(fit)


def _can_fuse(layer: Any) -> bool:
    """Return whether a layer is a frozen `nn.Linear` with a plain LoRA update."""
    base = layer.base_layer
    frozen = type(base) is nn.Linear and not any(parameter.requires_grad for parameter in base.parameters())
    plain = not layer.lora_variant and not layer.fan_in_fan_out and list(layer.lora_A) == [ADAPTER]
    return frozen and plain and layer.lora_A[ADAPTER].bias is None and layer.lora_B[ADAPTER].bias is None


class FusedLinear(Linear):  # type: ignore[misc]
    """A drop-in replacement for peft's layer."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Map [*, in] to [*, out]. Calls peft's code outside training, and if the adapter is merged or disabled."""
        device = x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        weight, bias = self.base_layer.weight, self.base_layer.bias
        active = self.active_adapters == [ADAPTER] and not self.merged and not self.disable_adapters
        if not (active and self.training and torch.is_grad_enabled()) or args or kwargs:
            return super().forward(x, *args, **kwargs)  # type: ignore[no-any-return]
        dropout = self.lora_dropout[ADAPTER]
        mask = None if isinstance(dropout, nn.Identity) else dropout(torch.ones_like(x, dtype=dtype))
        down, up, scale = self.lora_A[ADAPTER].weight, self.lora_B[ADAPTER].weight, self.scaling[ADAPTER]
        return _Product.apply(  # type: ignore[no-any-return]
            x, mask, self._cached("weight", weight, dtype), self._cached("bias", bias, dtype), down, up, scale
        )

    def _cached(self, name: str, parameter: Tensor | None, dtype: torch.dtype) -> Tensor | None:
        """Return a frozen parameter in a dtype; it is cast again only after it has changed."""
        if parameter is None or parameter.dtype == dtype:
            return parameter
        cast: dict[str, tuple[Any, Tensor]] = self.__dict__.setdefault("_cast", {})
        state = (parameter.data_ptr(), parameter._version, parameter.device, dtype)
        if name not in cast or cast[name][0] != state:
            cast[name] = (state, parameter.detach().to(dtype))
        return cast[name][1]


class _Product(torch.autograd.Function):
    """x W^T + b + scale (mask x) A^T B^T, with gradients for x, A and B."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mask: Tensor | None, weight: Tensor, bias: Tensor | None, down: Tensor, up: Tensor,
        scale: float,
    ) -> Tensor:  # fmt: skip
        dtype = weight.dtype
        with torch.autocast(x.device.type, enabled=False):
            rows = x.reshape(-1, x.shape[-1]).to(dtype)  # [n, in]
            masked = rows if mask is None else rows * mask.reshape(rows.shape)
            small, large = down.to(dtype), (up * scale).to(dtype)  # [r, in], [out, r]
            hidden = masked @ small.T  # [n, r]
            out = nn.functional.linear(rows, weight, bias).addmm_(hidden, large.T)
        ctx.save_for_backward(masked, mask, weight, small, large, hidden)
        ctx.scale, ctx.shape, ctx.dtypes = scale, x.shape, (x.dtype, down.dtype, up.dtype)
        return out.reshape(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        masked, mask, weight, small, large, hidden = ctx.saved_tensors
        of_x, of_down, of_up = ctx.dtypes
        with torch.autocast(gradient.device.type, enabled=False):
            rows = gradient.reshape(-1, gradient.shape[-1]).to(weight.dtype)  # [n, out]
            inner = rows @ large  # [n, r]
            for_up = (rows.T @ hidden).to(of_up) * ctx.scale
            for_down = (inner.T @ masked).to(of_down)
            for_x = None
            if ctx.needs_input_grad[0]:
                for_x = rows @ weight
                if mask is None:
                    for_x.addmm_(inner, small)
                else:
                    for_x += (inner @ small) * mask.reshape(for_x.shape)
                for_x = for_x.reshape(ctx.shape).to(of_x)
        return for_x, None, None, None, for_down, for_up, None
