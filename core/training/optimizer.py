"""The optimizer: parameter groups, learning-rate schedule and gradient clipping."""

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
    """Return the optimizer that `train.optimizer` names, over the trainable parameters.

    Biases, norms and other vectors get no weight decay.

    Args:
        model: The model; its trainable parameters are optimized.
        method: Can define its own parameter groups (layer-wise decay, LoRA+).
        train: Names the optimizer, the betas and the weight decay.
        lr: Peak learning rate.
    """
    trainable = {name: p for name, p in unwrap(model.module).named_parameters() if p.requires_grad}
    groups: list[dict[str, Any]] = []
    of_method: Sequence[ParamGroup | None] = method.param_groups(model, lr) or [None]
    for group in of_method:
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
    """Load the state of an optimizer, in the memory layout of its parameters.

    A checkpoint has contiguous tensors. With channels-last weights, these would be summed in a different order, and the
    bits of a resumed run would differ from those of an uninterrupted one.
    """
    optimizer.load_state_dict(state)
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def schedule(step: int, total: int, warmup: float, shape: str) -> float:
    """Return the learning rate of a step as a share of the peak.

    It rises from 0 during the warmup, then follows the shape.

    Args:
        step: The step's number, from 0.
        total: Number of steps in the run.
        warmup: Length of the warmup as a share of `total`.
        shape: `linear` and `cosine` (Loshchilov and Hutter 2017) fall to 0; `constant` stays at the peak.
    """
    rise = math.ceil(total * warmup)
    if step < rise:
        return (step + 1) / (rise + 1)
    if shape == "constant":
        return 1.0
    done = (step - rise) / max(1, total - rise)
    return 1.0 - done if shape == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))


def set_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> float:
    """Set each group's learning rate to `factor` times its peak, and return that of the first group."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor
    rate: float = optimizer.param_groups[0]["lr"]
    return rate


def clip_gradients(parameters: Iterable[Tensor], max_norm: float, on_cpu: bool) -> Tensor:
    """Scale the gradients to a norm of at most `max_norm`, and return the norm before, 0-d; 0 does not clip.

    This does not wait for a GPU. On a CPU, reading the norm is free, so gradients within the limit are not scaled. That
    saves a pass over them.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if max_norm > 0 and not (on_cpu and bool(norm <= max_norm)):
        torch._foreach_mul_(gradients, torch.clamp(max_norm / (norm + 1e-6), max=1.0))
    return norm
