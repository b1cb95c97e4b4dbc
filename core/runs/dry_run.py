"""A dry run: data, weights, parameters, and an estimate of memory, without training."""

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
    """Load the data and the model, apply the method, and describe what a run would train.

    Returns:
        What `check` prints: `data`, `weights`, `device`, and where there is a training loop `parameters`, `training`
        and `estimate_mb`.

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
        "findings": [asdict(finding) for finding in splits.findings],
    }
    model = config.model.load(request_for(config, splits, hardware))
    resolved = resolve_train(config, model)
    train = resolved.train
    found = {"data": data, "weights": asdict(model.provenance), "device": f"{hardware.device}, {hardware.precision}"}
    if isinstance(model, SupportsFit):
        return found
    model = adapt(resolved, hardware, model, len(splits.train))
    found["parameters"] = count_parameters(model)
    found["training"] = {
        "steps": total_steps(train, len(splits.train)),
        "epochs": train.epochs,
        "learning_rate": train.learning_rate,
    }
    prepared = model.prepare(splits.train, train=True)
    data["findings"] += [asdict(finding) for finding in model.findings]
    memory = profile_memory(model, prepared, train, hardware, config.seed)
    return found | ({"estimate_mb": memory} if memory else {})
