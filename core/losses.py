"""The loss of each target, with class weights, written once so that it is the same for every family."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor


def per_example(
    logits: Tensor,
    targets: Tensor,
    target: str,
    class_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The loss of each example, float32 [b].

    Args:
        logits: [b, c], or [b] or [b, 1] for regression.
        targets: As `core.kinds.encode_targets` makes them.
        target: `single` gives cross-entropy; `multi` the mean over labels of binary cross-entropy; `regression` the
            squared error.
        class_weights: A weight for each label. `single`: scales the loss of the examples that bear the label; `multi`:
            scales the loss of a label where it applies.
        label_smoothing: Share of the target spread evenly over all labels (`single` only).
    """
    logits = logits.float()
    weights = None if class_weights is None else torch.tensor(class_weights, device=logits.device)
    if target == "single":
        return functional.cross_entropy(
            logits, targets, weight=weights, reduction="none", label_smoothing=label_smoothing
        )
    if target == "multi":
        losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none", pos_weight=weights)
        return losses.mean(dim=-1)
    return functional.mse_loss(logits.reshape(targets.shape), targets, reduction="none")


def to_predictions(logits: Tensor, target: str) -> Tensor:
    """Predictions from logits, as `core.kinds` defines them: float32 [b, c] probabilities or [b] values."""
    logits = logits.float()
    if target == "single":
        return logits.softmax(dim=-1)
    return logits.sigmoid() if target == "multi" else logits.reshape(len(logits))
