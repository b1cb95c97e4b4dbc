"""The losses and predictions of models that end in logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks.output import OutputSpec


def per_example_loss(
    logits: Tensor,
    targets: Tensor,
    output: OutputSpec,
    class_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the loss of each example, float32 [b], as the task's target type defines it.

    Args:
        logits: [b, c].
        targets: The result of `OutputSpec.stack`, as a tensor.
        output: What the model predicts.
        class_weights: A weight for each label, or None.
        label_smoothing: Share of the target that is spread evenly over all labels.
    """
    return output.target.losses(logits, targets, class_weights, label_smoothing)


def to_predictions(logits: Tensor, output: OutputSpec) -> Tensor:
    """Return predictions from logits [b, c], as the task's target type defines them: float32 [b, c] or [b]."""
    return output.target.predictions(logits)


def cross_entropy(
    logits: Tensor, targets: Tensor, class_weights: Sequence[float] | None, label_smoothing: float
) -> Tensor:
    """Return the cross-entropy of each example, float32 [b], scaled by the weight of its label.

    Args:
        logits: [b, c].
        targets: int64 [b].
        class_weights: A weight for each label, or None.
        label_smoothing: Share of the target that is spread evenly over all labels.
    """
    logits = logits.float()
    weights = _tensor(class_weights, logits)
    return functional.cross_entropy(logits, targets, weight=weights, reduction="none", label_smoothing=label_smoothing)


def binary_cross_entropy(logits: Tensor, targets: Tensor, class_weights: Sequence[float] | None) -> Tensor:
    """Return the mean over labels of the binary cross-entropy of each example, float32 [b].

    Args:
        logits: [b, c].
        targets: float32 [b, c].
        class_weights: Scales the loss of each label where it applies; or None.
    """
    logits = logits.float()
    weights = _tensor(class_weights, logits)
    losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none", pos_weight=weights)
    return losses.mean(dim=-1)


def squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the squared error of each example, float32 [b].

    Args:
        logits: [b] or [b, 1].
        targets: float32 [b].
    """
    return functional.mse_loss(logits.float().reshape(targets.shape), targets, reduction="none")


def _tensor(class_weights: Sequence[float] | None, logits: Tensor) -> Tensor | None:
    return None if class_weights is None else torch.tensor(class_weights, device=logits.device)
