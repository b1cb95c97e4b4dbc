"""The state of a training, and the interface through which the loop reports to the run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from core.errors import NumericalError, Problem, RunError

if TYPE_CHECKING:
    from core.contracts.train_config import ResolvedTrain


class Watch(Protocol):
    """Receives the progress of the loop."""

    def stop_requested(self) -> bool:
        """Return whether a signal asked the run to stop."""
        ...

    def stepped(self, step: int) -> None:
        """Called after each step."""
        ...

    def logged(self, values: Mapping[str, float]) -> None:
        """Called every `train.log_steps` steps: `step`, `epoch`, `loss`, `lr`, `grad_norm`, `examples_per_second`."""
        ...


@dataclass
class State:
    """The progress of a training: only JSON values, part of every checkpoint.

    Attributes:
        micro_batch_size: Examples in a forward pass; halved if memory runs out.
        step: Optimizer steps done.
        evaluated: The last step that was evaluated; -1 for none.
        best_step: The step with the best primary metric; -1 for none.
        best_value: The primary metric at that step.
        best_file: The file with its weights, and the file's hash.
        waiting: Number of evaluations since then.
        history: One entry per evaluation: step, epoch, seconds, scores.
        marks: How this run differs from its configuration, such as `time_budget`.
        loss_sum: Sum of the losses of the steps since the last log.
        loss_steps: Number of these steps.
        examples: Training examples seen.
        seconds: Time spent in training, without evaluations.
        data_seconds: The part of it spent waiting for data.
        stopped: Whether training ended before its last step.
    """

    micro_batch_size: int
    step: int = 0
    evaluated: int = -1
    best_step: int = -1
    best_value: float = math.nan
    best_file: str = ""
    waiting: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    loss_sum: float = 0.0
    loss_steps: int = 0
    examples: int = 0
    seconds: float = 0.0
    data_seconds: float = 0.0
    stopped: bool = False

    def stop(self, mark: str) -> None:
        """End training before its last step, for the reason in `mark`."""
        self.stopped = True
        self.marks.append(mark)

    def halve_micro_batch(self) -> None:
        """Halve the micro-batch, because memory ran out."""
        size, half = self.micro_batch_size, -(-self.micro_batch_size // 2)
        self.micro_batch_size = half
        self.marks.append(f"oom_backoff: step {self.step}, micro-batch {size} to {half}")

    def evaluation_due(self, total: int, every: int) -> bool:
        """Return whether the weights must be evaluated before the next step.

        Args:
            total: Number of steps in the run; the last one is always followed by an evaluation.
            every: Number of steps between evaluations.
        """
        if self.step == 0 or self.evaluated == self.step:
            return False
        return self.step >= total or self.stopped or self.step % every == 0


def total_steps(train: ResolvedTrain, examples: int) -> int:
    """Return the number of optimizer steps in the run."""
    total = max(1, math.ceil(train.epochs * -(-examples // train.batch_size) - 1e-9))
    return min(total, train.max_steps) if train.max_steps else total


def assert_finite_loss(loss: float, step: int, lr: float) -> None:
    """Raise an error if the loss is not a finite number.

    Raises:
        NumericalError: The loss is infinite or NaN.
    """
    if not math.isfinite(loss):
        cure = (
            "Lower train.learning_rate, raise train.warmup, or set train.precision=fp32. "
            "The last checkpoint is intact and has only finite values."
        )
        message = f"the loss is {loss} by step {step} (learning rate {lr:.2e})."
        raise NumericalError(Problem("training", message, cure))


def assert_finite_weights(parameters: Iterable[Tensor], step: int) -> None:
    """Raise an error if a weight is not a finite number.

    Raises:
        NumericalError: A weight is infinite or NaN.
    """
    if not all(bool(torch.isfinite(parameter).all()) for parameter in parameters):
        message = f"a weight is not a finite number after step {step}."
        raise NumericalError(Problem("training", message, "Lower train.learning_rate or set train.precision=fp32."))


def out_of_memory(size: int, error: BaseException) -> RunError:
    """Return the error for micro-batches of `size` examples that do not fit into memory and cannot be halved."""
    cure = "Lower train.micro_batch_size, shorten the inputs, or use a smaller model or method=lora."
    return RunError(Problem("memory", f"ran out with micro-batches of {size}: {error}.", cure))
