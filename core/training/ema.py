"""An exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from core.runtime.modules import trainable_state


class Average:
    """An exponential moving average of the trainable weights and buffers; it replaces them during an evaluation.

    The decay rises with the steps, min(decay, (1 + step) / (10 + step)), so that the first weights are soon forgotten.

    Attributes:
        module: The module.
        decay: The largest decay.
        state: The averages by name.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay = module, decay
        self.state = {name: value.clone() for name, value in trainable_state(module).items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average with the weights after step number `step`, counted from 1."""
        weight = 1.0 - min(self.decay, (1 + step) / (10 + step))
        for name, value in trainable_state(self.module).items():
            if value.is_floating_point():
                self.state[name].lerp_(value, weight)
            else:
                self.state[name].copy_(value)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Replace the weights with the average inside the `with` block."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    def swap(self) -> None:
        """Swap the average and the weights, in place."""
        for name, value in trainable_state(self.module).items():
            weight = value.clone()
            value.copy_(self.state[name])
            self.state[name].copy_(weight)
