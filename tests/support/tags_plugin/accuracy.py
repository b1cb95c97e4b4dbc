"""The share of correct tags, as a streaming metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torchmetrics


class TagCounts(torchmetrics.Metric):  # type: ignore[misc]
    """Counts words and correct tags."""

    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("correct", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("words", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, predictions: Sequence[Any], targets: Sequence[Any]) -> None:
        """Count the words of some sentences."""
        for predicted, true in zip(predictions, targets, strict=True):
            self.correct += sum(int(a) == int(b) for a, b in zip(predicted, true, strict=True))
            self.words += len(true)

    def compute(self) -> torch.Tensor:
        """Return the share of correct tags."""
        share: torch.Tensor = self.correct / self.words
        return share
