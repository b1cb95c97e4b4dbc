"""The optimizer and what goes with it: parameter groups, the learning-rate schedule, clipping, the moving average."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from core.registry.registry import load_registry
from core.runtime.modules import unwrap

if TYPE_CHECKING:
    from core.contracts.components import AdapterMethod
    from core.contracts.model import LoadedModel, ParamGroup
    from core.contracts.train_config import TrainConfig


def build_optimizer(model: LoadedModel, method: AdapterMethod, train: TrainConfig, lr: float) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019), fused, over what trains; no decay on biases, norms and other vectors.

    Args:
        model: Its module's trainable parameters are optimized.
        method: May give groups of its own (layer-wise decay, LoRA+).
        train: Betas and weight decay.
        lr: Peak learning rate.
    """
    trainable = {name: p for name, p in unwrap(model.module).named_parameters() if p.requires_grad}
    groups: list[dict[str, Any]] = []
    own: Sequence[ParamGroup | None] = method.param_groups(model, lr) or [None]
    for group in own:
        names = list(trainable) if group is None else group.names
        rate = lr if group is None else group.lr
        decay = train.weight_decay if group is None or group.weight_decay is None else group.weight_decay
        matrices = [trainable[name] for name in names if trainable[name].ndim > 1]
        vectors = [trainable[name] for name in names if trainable[name].ndim <= 1]
        groups += [
            {"params": params, "lr": rate, "peak_lr": rate, "weight_decay": amount}
            for params, amount in ((matrices, decay), (vectors, 0.0))
            if params
        ]
    return load_registry().optimizer(train.optimizer).build(groups, lr, (train.beta1, train.beta2))


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimizer's state, in the memory layout of its parameters.

    A checkpoint holds contiguous tensors. Beside channels-last weights they would be summed in another order, and a
    resumed run would end with other bits than an uninterrupted one.
    """
    optimizer.load_state_dict(state)
    for parameter, held in optimizer.state.items():
        for name, value in held.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                held[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def schedule(step: int, total: int, warmup: float, kind: str) -> float:
    """Return the learning rate of a step as a share of the peak: up from 0 over `warmup`, then down as `type` says.

    Args:
        step: The step's number, from 0.
        total: Steps in the whole run.
        warmup: Share of `total`.
        kind: `linear` and `cosine` (Loshchilov and Hutter 2017) fall to 0, `constant` stays.
    """
    rise = math.ceil(total * warmup)
    if step < rise:
        return (step + 1) / (rise + 1)
    if kind == "constant":
        return 1.0
    done = (step - rise) / max(1, total - rise)
    return 1.0 - done if kind == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> float:
    """Scale every group's peak rate; returns the first group's rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor
    rate: float = optimizer.param_groups[0]["lr"]
    return rate


def clip_gradients(parameters: Iterable[Tensor], largest: float, on_cpu: bool) -> Tensor:
    """Scale gradients to a norm of at most `largest`; returns the norm before, 0-d, without waiting for the device.

    On a CPU reading the norm is free, so gradients within the limit are not touched, which saves a pass over them.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if largest > 0 and not (on_cpu and bool(norm <= largest)):
        torch._foreach_mul_(gradients, torch.clamp(largest / (norm + 1e-6), max=1.0))
    return norm
