"""Everything short of training: the data's findings, the weights' provenance, parameters, and an estimate of memory."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from core.batching import Steps
from core.config import RunConfig, Train
from core.contracts import HasOwnFit, LoadedModel
from core.environment import Hardware, seed_everything, unwrap
from core.optimize import training_mode
from core.progress import total_steps
from core.stages import count_parameters, need_for, plan_for, resolve_train


def inspect(config: RunConfig) -> dict[str, Any]:
    """Load the data and the model, apply the method, and look.

    Raises:
        GraftError: The data or the weights cannot be used.
    """
    hardware = Hardware.resolve(config.train)
    seed_everything(config.seed)
    splits = config.data.load(config.task, config.seed)
    sizes = {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)}
    data: dict[str, Any] = {
        **sizes,
        "labels": list(splits.labels),
        "description": splits.description,
        "findings": [asdict(finding) for finding in splits.findings],
    }
    model = config.model.load(need_for(config, splits, hardware))
    train = resolve_train(config, model)
    found = {"data": data, "weights": asdict(model.provenance), "device": f"{hardware.device}, {hardware.precision}"}
    if isinstance(model, HasOwnFit):
        return found
    if train.gradient_checkpointing:
        model.keep_less()
    steps = total_steps(train, len(splits.train))
    model = config.method.apply(model, plan_for(train, hardware, config.seed, len(splits.train), model))
    training = {"steps": steps, "epochs": train.epochs, "learning_rate": train.learning_rate}
    parameters = count_parameters(model)
    longest = _longest(splits.train, model, train)
    data["findings"] += [asdict(finding) for finding in model.findings]
    memory = estimate_memory(model, longest, train, hardware)
    return found | {"parameters": parameters, "training": training, "memory_mb": memory}


def _longest(examples: Any, model: LoadedModel, train: Train) -> dict[str, Tensor]:
    """The costliest micro-batch that training will meet, or near it: the longest of the examples together."""
    prepared = model.prepare(examples, train=True)
    size = min(train.micro_batch_size or train.batch_size, len(prepared))
    order = (-prepared.lengths).argsort(kind="stable")[:size]
    return Steps(model, prepared, size, size, 0, False).model.collate(
        [prepared.fetch(int(index), 0, None) for index in order]
    )


def estimate_memory(model: LoadedModel, batch: dict[str, Tensor], train: Train, hardware: Hardware) -> dict[str, float]:
    """Peak memory of a training step, in MiB, from what autograd keeps of one forward pass over the costliest batch.

    Args:
        model: With its method applied.
        batch: The costliest micro-batch.
        train: Says whether there is an average of the weights.
        hardware: Device and precision.

    Returns:
        `weights`, `gradients`, `optimizer` (two moments), `average`, `activations`, and their `total`.
    """
    module = unwrap(model.module).to(hardware.device)
    training_mode(module)
    parameters = {p.untyped_storage().data_ptr() for p in module.parameters()}
    weights = sum(p.numel() * p.element_size() for p in module.parameters())
    trainable = sum(p.numel() * p.element_size() for p in module.parameters() if p.requires_grad)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    moved = {name: value.to(hardware.device) for name, value in batch.items()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), hardware.autocast():
        loss = model.loss(moved)
    activations = sum(kept.values())
    del loss
    parts = {
        "weights": weights,
        "gradients": trainable,
        "optimizer": 2 * trainable if train.optimizer == "adamw" else trainable // 2,
        "average": trainable if train.ema else 0,
        "activations": activations,
    }
    parts["total"] = sum(parts.values())
    return {name: round(value / 2**20, 1) for name, value in parts.items()}
