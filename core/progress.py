"""Where a training is, and whom it tells: what the loop and the run know of each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from core.config import Train


class Watch(Protocol):
    """What the loop tells the run while it goes on."""

    def stop_requested(self) -> bool:
        """Whether a signal asked the run to end."""
        ...

    def stepped(self, step: int) -> None:
        """A step is done."""
        ...

    def logged(self, values: Mapping[str, float]) -> None:
        """The loss was read; values are `step`, `epoch`, `loss`, `lr`, `grad_norm`, `examples_per_second`."""
        ...


@dataclass
class State:
    """Where training is: JSON values only, part of every checkpoint.

    Attributes:
        step: Optimizer steps done.
        evaluated: The last step that was evaluated; -1 for none.
        best_step, best_value: The evaluation with the best primary metric; `best_file` holds its weights.
        waiting: Evaluations since then.
        micro_batch_size: Examples in a forward pass; out-of-memory back-off halves it.
        history: One entry an evaluation: step, epoch, seconds, scores.
        marks: What makes this run differ from its configuration, such as `time_budget`.
        loss_sum, loss_steps: The loss since it was last read.
        examples: Training examples seen.
        seconds: Time spent in training, without evaluations; `data_seconds`, the part of it spent waiting for data.
        stopped: Whether training has ended before its last step.
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


def total_steps(train: Train, examples: int) -> int:
    """Optimizer steps in the whole run."""
    assert train.epochs is not None
    total = max(1, math.ceil(train.epochs * -(-examples // train.batch_size) - 1e-9))
    return min(total, train.max_steps) if train.max_steps else total


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device, or the machine, has no memory left."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("can't allocate memory", "not enough memory", "out of memory")
    )
