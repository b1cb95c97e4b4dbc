"""Scores computed from sums over examples: bounded memory, and all resamples in one matrix product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torchmetrics
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks import Array, Predictions, Targets

BLOCK_CELLS = 2**21
"""Maximum number of cells (examples × columns) in memory at once while resampling: 16 MiB."""


@dataclass(frozen=True)
class Sums:
    """A score computed from sums of k columns over examples.

    Attributes:
        name: Name of the columns; scores with the same name sum the same columns.
        width: Number of columns, k.
        rows: Maps (predictions, targets) of a batch to float64 [b, k]; both are lists for images with boxes.
        score: Maps sums [..., k] to scores [...], or to a table [..., c].
    """

    name: str
    width: int
    rows: Callable[[Any, Any], Tensor]
    score: Callable[[Array], Array]

    def build(self) -> SumMetric:
        """Return a streaming metric that keeps the k sums."""
        return SumMetric(self)

    def resample(self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64]) -> Array:
        """Return the score of each resample, [r] or [r, c], from counts [r, n]."""
        sums = np.zeros((len(counts), self.width))
        step = max(1, BLOCK_CELLS // self.width)
        for start in range(0, len(targets), step):
            part = slice(start, start + step)
            rows = self.rows(_given(predictions[part]), _given(targets[part])).numpy()
            sums += counts[:, part].astype(np.float64) @ rows
        return self.score(sums)


def _given(values: Predictions | Targets) -> Any:
    """Return a batch in the form that `rows` expects."""
    return list(values) if values.dtype == object else torch.tensor(values)


class SumMetric(torchmetrics.Metric):  # type: ignore[misc]
    """Streams `Sums`: one float64 state [k], summed over processes."""

    full_state_update = False

    def __init__(self, sums: Sums) -> None:
        super().__init__()
        self.what = sums
        # Named after its columns, because MetricCollection may share states that have equal names and values.
        self.add_state(sums.name, torch.zeros(sums.width, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, predictions: Any, targets: Any) -> None:
        """Add a batch."""
        seen: Tensor = getattr(self, self.what.name)
        setattr(self, self.what.name, seen + self.what.rows(predictions, targets).sum(dim=0).to(seen.device))

    def compute(self) -> Tensor:
        """Return the score so far, float64, 0-d or a table [c]; NaN if undefined."""
        return torch.as_tensor(self.what.score(getattr(self, self.what.name).cpu().numpy()))
