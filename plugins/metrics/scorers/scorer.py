"""The base of the built-in metrics: a score is streamed and resampled by the same arithmetic."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from core.contracts import Metric

if TYPE_CHECKING:
    import numpy as np
    import torchmetrics
    from numpy.typing import NDArray

    from core.tasks import OutputSpec, Predictions, Targets


class Scorer(Protocol):
    """How a score is streamed and resampled: `Sums` in bounded memory, `Records` for ranks."""

    def build(self) -> torchmetrics.Metric:
        """Return a new streaming metric."""
        ...

    def resample(self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the score of each resample, [r], or its table, [r, c]."""
        ...


@dataclass
class Scored(Metric):
    """A metric whose streamed and resampled values come from one `Scorer`, so that they cannot differ."""

    @abstractmethod
    def scorer(self, output: OutputSpec) -> Scorer:
        """Return the arithmetic for this output."""

    def build(self, output: OutputSpec) -> torchmetrics.Metric:
        """Return a new streaming metric; see `Metric.build`."""
        return self.scorer(output).build()

    def resample(
        self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64], output: OutputSpec
    ) -> NDArray[np.float64]:
        """Return the score of each resample, float64 [r]; NaN for tables. See `Metric.resample`."""
        import numpy as np

        scores = self.scorer(output).resample(predictions, targets, counts)
        return scores if scores.ndim == 1 else np.full(len(counts), np.nan)
