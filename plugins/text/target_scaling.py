"""The scale of regression targets: the head learns standardized values, and is saved to return the task's values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from core.tasks import REGRESSION, OutputSpec, Regression, TextExample


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of the training targets.

    A new head returns values near zero. At a learning rate that suits the rest of the network it would need thousands
    of steps to reach values such as 500. Standardized values are close from the start, in any unit.
    """

    mean: float = 0.0
    deviation: float = 1.0

    def standardize(self, values: Tensor) -> Tensor:
        """Convert from the task's unit to the head's, [b]."""
        return (values - self.mean) / self.deviation

    def restore(self, values: Tensor) -> Tensor:
        """Convert from the head's unit to the task's, [b]."""
        return values * self.deviation + self.mean

    @contextmanager
    def folded_into(self, module: nn.Module, final: str) -> Iterator[None]:
        """Temporarily make the last layer of the head return values in the task's unit.

        Args:
            module: The network, wrapped by peft or not.
            final: Name of the last linear layer in the unwrapped network.
        """
        if self == Scale():
            yield
            return
        layers = [layer for name, layer in module.named_modules() if _is_layer(name, layer, final)]
        kept = [(layer, layer.weight.detach().clone(), layer.bias.detach().clone()) for layer in layers]
        try:
            with torch.no_grad():
                for layer in layers:
                    layer.weight.mul_(self.deviation)
                    layer.bias.mul_(self.deviation).add_(self.mean)
            yield
        finally:
            with torch.no_grad():
                for layer, weight, bias in kept:
                    layer.weight.copy_(weight)
                    layer.bias.copy_(bias)


def _is_layer(name: str, layer: nn.Module, final: str) -> bool:
    """Return whether this is the head's last layer, or peft's trained copy of it (not the stored original)."""
    if not isinstance(layer, nn.Linear) or "original_module" in name:
        return False
    plain = name.replace(".modules_to_save.default", "")
    return plain == final or plain.endswith(f".{final}")


def is_scaled(output: OutputSpec) -> bool:
    """Return whether targets are standardized: only values that the head returns as they are, without a function."""
    as_they_are = type(output.target).predictions is Regression.predictions
    return output.layout == REGRESSION and output.width == 1 and as_they_are


def scale_of(examples: Sequence[TextExample]) -> Scale:
    """Return the scale of training targets; the identity if there are none or all are equal."""
    values = np.asarray([example.target for example in examples if example.target is not None], dtype=np.float64)
    if not len(values) or not values.std() > 0:
        return Scale()
    return Scale(float(values.mean()), float(values.std()))
