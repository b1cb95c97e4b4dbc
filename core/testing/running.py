"""Run a model for a check: collate, predict, and train a few steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from core.contracts.components import AdapterMethod
from core.contracts.model import LoadedModel, LoadRequest, TrainingPlan
from core.contracts.train_config import TrainConfig
from core.evaluation.predict import predict
from core.runtime.hardware import Hardware
from core.training.optimizer import build_optimizer, load_optimizer

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from core.contracts.model import PreparedDataset

PROBE = 9
"""Number of examples whose losses and predictions are compared."""
TOLERANCE = 1e-5


@dataclass
class Everything(AdapterMethod):
    """Train all weights; for checks of a loader without a method."""

    name: ClassVar[str] = "everything"

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Return the model unchanged."""
        return model


def collated(model: LoadedModel, prepared: PreparedDataset, rows: Sequence[int] = range(PROBE)) -> dict[str, Tensor]:
    """Return a batch of some rows, as in the first epoch."""
    return model.collate([prepared.fetch(row, 0, np.random.default_rng(row)) for row in rows])


def predicted(model: LoadedModel, examples: Sequence[Any], batch_size: int = PROBE) -> NDArray[np.float32]:
    """Return predictions on the CPU in fp32, in the order of the examples."""
    return predict(model, model.prepare(examples, train=False), Hardware("cpu", "fp32"), batch_size)


def losses_of(model: LoadedModel, batch: dict[str, Tensor]) -> Tensor:
    """Return the losses of a batch in evaluation mode."""
    model.module.eval()
    with torch.no_grad():
        return model.loss(batch)


def train_on(
    model: LoadedModel,
    method: AdapterMethod,
    examples: Sequence[Any],
    steps: int,
    rate: float,
    precision: str = "fp32",
    *,
    start: int = 0,
    stop: int | None = None,
    kept: dict[str, Any] | None = None,
) -> list[float]:
    """Train on one batch of all examples, without dropout, so that a few steps have an effect.

    Args:
        model: The model; it is trained in place.
        method: The method that was applied to it.
        examples: Examples with targets.
        steps: Number of steps in the whole training.
        rate: Learning rate.
        precision: The precision of matrix products, `fp32` or `bf16`.
        start: The first step to run.
        stop: The step to stop before; None for the end.
        kept: The state of the optimizer to start from, if not empty; it is updated to the state at the end.

    Returns:
        The mean loss before each step, and after the last one.
    """
    batch = collated(model, model.prepare(examples, train=True), range(len(examples)))
    hardware = Hardware("cpu", precision)
    optimizer = build_optimizer(model, method, TrainConfig(), rate)
    if kept:
        load_optimizer(optimizer, kept)
    model.module.eval()
    losses = []
    for step in range(start, steps if stop is None else stop):
        with hardware.autocast():
            loss = model.loss(batch).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        method.after_step(model, step)
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
    if kept is not None:
        kept |= optimizer.state_dict()
    return [*losses, float(losses_of(model, batch).mean())]


def without_targets(examples: Sequence[Any]) -> list[Any]:
    """Return the same examples with the target None."""
    return [replace(example, target=None) for example in examples]


def to_reopen(request: LoadRequest, folder: Path) -> LoadRequest:
    """Return the request that opens a saved model: without training examples, and with another seed."""
    return replace(request, saved=folder, train=(), seed=request.seed + 1)
