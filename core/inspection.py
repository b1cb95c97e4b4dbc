"""Everything short of training: the data's findings, the weights' provenance, parameters, and an estimate of memory."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from core.config import RunConfig
from core.contracts import HasOwnFit
from core.environment import Hardware, seed_everything
from core.progress import total_steps
from core.rehearsal import rehearse
from core.stages import adapt, count_parameters, need_for, resolve_train


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
    config = replace(config, train=train)
    found = {"data": data, "weights": asdict(model.provenance), "device": f"{hardware.device}, {hardware.precision}"}
    if isinstance(model, HasOwnFit):
        return found
    steps = total_steps(train, len(splits.train))
    model = adapt(config, hardware, model, len(splits.train))
    training = {"steps": steps, "epochs": train.epochs, "learning_rate": train.learning_rate}
    parameters = count_parameters(model)
    prepared = model.prepare(splits.train, train=True)
    data["findings"] += [asdict(finding) for finding in model.findings]
    memory = rehearse(model, prepared, train, hardware, config.seed)
    return found | {"parameters": parameters, "training": training} | ({"estimate_mb": memory} if memory else {})
