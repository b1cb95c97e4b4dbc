"""Scores that are a function of sums over examples: bounded memory, and all resamples in one matrix product."""

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
"""Examples x columns that are in memory at once while resampling: 16 MiB."""


@dataclass(frozen=True)
class Sums:
    """What to sum over examples, and what to make of the sums.

    Attributes:
        name: Names the columns; two scores of one name sum the same columns.
        width: Number of columns, k.
        rows: (predictions, targets) of a batch to float64 [b, k]; of images with boxes, they are lists.
        score: Sums [..., k] to scores [...], or to a table [..., c].
    """

    name: str
    width: int
    rows: Callable[[Any, Any], Tensor]
    score: Callable[[Array], Array]

    def build(self) -> SumMetric:
        """A streaming metric that keeps the k sums."""
        return SumMetric(self)

    def resample(self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64]) -> Array:
        """The score of each resample, [r] or [r, c], from counts [r, n]."""
        sums = np.zeros((len(counts), self.width))
        step = max(1, BLOCK_CELLS // self.width)
        for start in range(0, len(targets), step):
            part = slice(start, start + step)
            rows = self.rows(_given(predictions[part]), _given(targets[part])).numpy()
            sums += counts[:, part].astype(np.float64) @ rows
        return self.score(sums)


def _given(values: Predictions | Targets) -> Any:
    """A batch as `rows` takes it."""
    return list(values) if values.dtype == object else torch.tensor(values)


class SumMetric(torchmetrics.Metric):  # type: ignore[misc]
    """Streams `Sums`: one float64 state [k], summed over processes."""

    full_state_update = False

    def __init__(self, sums: Sums) -> None:
        super().__init__()
        self.what = sums
        # The state bears the name of its columns: MetricCollection may share states that are called and valued alike.
        self.add_state(sums.name, torch.zeros(sums.width, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, predictions: Any, targets: Any) -> None:
        """Add a batch."""
        seen: Tensor = getattr(self, self.what.name)
        setattr(self, self.what.name, seen + self.what.rows(predictions, targets).sum(dim=0).to(seen.device))

    def compute(self) -> Tensor:
        """The score so far, float64, 0-d or a table [c]; NaN where it is not defined."""
        return torch.as_tensor(self.what.score(getattr(self, self.what.name).cpu().numpy()))
