"""Scores that need all predictions at once, for exact ranks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torchmetrics
from numpy.typing import NDArray
from torchmetrics.utilities import dim_zero_cat

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks import Array, Predictions, Targets


@dataclass(frozen=True)
class Records:
    """A score of all predictions and targets.

    Attributes:
        score: Maps (predictions, targets, counts float64 [r, n]) to scores [r], or to tables [r, c].
    """

    score: Callable[[Predictions, Targets, Array], Array]

    def build(self) -> RecordMetric:
        """Return a streaming metric that keeps predictions and targets."""
        return RecordMetric(self)

    def resample(self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64]) -> Array:
        """Return the score of each resample, [r] or [r, c], from counts [r, n]."""
        return self.score(predictions, targets, counts.astype(np.float64))


class RecordMetric(torchmetrics.Metric):  # type: ignore[misc]
    """Streams `Records`: keeps lists of batches of predictions and targets, concatenated over processes."""

    full_state_update = False

    def __init__(self, records: Records) -> None:
        super().__init__()
        self.what = records
        self.add_state("predictions", [], dist_reduce_fx="cat")
        self.add_state("targets", [], dist_reduce_fx="cat")

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        """Add a batch."""
        self.predictions.append(predictions.detach().float())
        self.targets.append(targets.detach())

    def compute(self) -> Tensor:
        """Return the score so far, float64, 0-d or a table [c]; NaN if undefined."""
        if len(self.predictions) == 0:
            return torch.tensor(torch.nan, dtype=torch.float64)
        predictions, targets = dim_zero_cat(self.predictions).cpu().numpy(), dim_zero_cat(self.targets).cpu().numpy()
        return torch.as_tensor(self.what.score(predictions, targets, np.ones((1, len(targets))))[0])
