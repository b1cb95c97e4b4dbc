"""A dry run: load the data and the model, count parameters, and estimate memory, without training."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from core.contracts.components import RunConfig
from core.contracts.protocols import SupportsFit
from core.runs.adapt import adapt, count_parameters, resolve_train
from core.runtime.determinism import seed_everything
from core.runtime.hardware import Hardware
from core.training.memory_profile import profile_memory
from core.training.requests import request_for
from core.training.state import total_steps


def inspect(config: RunConfig) -> dict[str, Any]:
    """Load the data and the model, apply the method, and describe the training.

    Returns:
        What `check` prints: `data`, `weights`, `device`, and for a model that trains in the loop also `parameters`,
        `training` and `estimate_mb`.

    Raises:
        GraftError: The data or the weights cannot be used.
    """
    hardware = Hardware.resolve(config.train.device, config.train.precision)
    seed_everything(config.seed)
    splits = config.data.load(config.task, config.seed)
    sizes = {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)}
    data: dict[str, Any] = {
        **sizes,
        "labels": list(splits.labels),
        "description": splits.description,
        "findings": [asdict(issue) for issue in splits.findings],
    }
    model = config.model.load(request_for(config, splits, hardware))
    resolved = resolve_train(config, model)
    train = resolved.train
    result = {"data": data, "weights": asdict(model.provenance), "device": f"{hardware.device}, {hardware.precision}"}
    if isinstance(model, SupportsFit):
        return result
    model = adapt(resolved, hardware, model, len(splits.train))
    result["parameters"] = count_parameters(model)
    result["training"] = {
        "steps": total_steps(train, len(splits.train)),
        "epochs": train.epochs,
        "learning_rate": train.learning_rate,
    }
    prepared = model.prepare(splits.train, train=True)
    data["findings"] += [asdict(issue) for issue in model.findings]
    memory = profile_memory(model, prepared, train, hardware, config.seed)
    return result | ({"estimate_mb": memory} if memory else {})
