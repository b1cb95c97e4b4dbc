"""Metrics of regression. An undefined score is NaN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core import OutputSpec
from core.tasks import REGRESSION
from plugins.metrics.scorers.scorer import Scored, Scorer


@dataclass
class Mae(Scored):
    """Mean absolute error."""

    name: ClassVar[str] = "mae"
    higher_is_better: ClassVar[bool] = False
    targets: ClassVar[tuple[str, ...]] = (REGRESSION,)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return the mean of absolute errors."""
        from plugins.metrics.scorers import means

        return means.mae()


@dataclass
class Rmse(Scored):
    """Root of the mean squared error."""

    name: ClassVar[str] = "rmse"
    higher_is_better: ClassVar[bool] = False
    targets: ClassVar[tuple[str, ...]] = (REGRESSION,)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return the root of the mean of squared errors."""
        from plugins.metrics.scorers import means

        return means.rmse()


@dataclass
class R2(Scored):
    """Share of the targets' variance that the predictions explain; undefined for constant targets."""

    name: ClassVar[str] = "r2"
    targets: ClassVar[tuple[str, ...]] = (REGRESSION,)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return a score of sums of squares."""
        from plugins.metrics.scorers import means

        return means.r2()


@dataclass
class Spearman(Scored):
    """Exact correlation of ranks (Spearman 1904); undefined if predictions or targets are constant.

    Keeps the prediction and target of every example in memory (8 bytes per example).
    """

    name: ClassVar[str] = "spearman"
    targets: ClassVar[tuple[str, ...]] = (REGRESSION,)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Ranks."""
        from plugins.metrics.scorers import ranks

        return ranks.spearman()
