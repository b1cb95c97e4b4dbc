"""Confidence intervals of scores, from bootstrap resamples of examples or of groups of examples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.contracts.components import Metric, RunConfig
    from core.tasks.output import OutputSpec
    from core.tasks.targets.target import Predictions, Targets

BLOCK_CELLS = 2**21
"""Largest number of resamples × examples in memory at once: 16 MiB of counts."""


@dataclass(frozen=True)
class Score:
    """A score with its confidence interval; as text, `0.893 [0.879, 0.907]`.

    Attributes:
        value: The score; NaN or None if it is not defined.
        low, high: The ends of the interval; None without an interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """Return the value and the ends as JSON values; None in place of a number that is not finite."""
        return {"value": _finite(self.value), "low": _finite(self.low), "high": _finite(self.high)}

    def __str__(self) -> str:
        value, low, high = self.to_json().values()
        if value is None:
            return "undefined"
        if low is None or high is None:
            return _format(value)
        return f"{_format(value)} [{_format(low)}, {_format(high)}]"


@dataclass(frozen=True)
class Bootstrap:
    """The settings of confidence intervals.

    Attributes:
        resamples: Number of resamples; 0 for no intervals.
        confidence: Level of the interval, such as 0.95.
        seed: Seed of the resamples.
        groups: The group of each example, int64 [n]; resamples then draw groups. None to draw examples.
    """

    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0
    groups: NDArray[np.int64] | None = None

    @classmethod
    def for_run(cls, config: RunConfig, groups: NDArray[np.int64] | None) -> Bootstrap:
        """Return the settings of a run, for examples of these groups (int64 [n], or None)."""
        return cls(config.train.bootstrap_resamples, config.train.confidence, config.seed, groups)


def interval(
    metric: Metric, predictions: Predictions, targets: Targets, output: OutputSpec, bootstrap: Bootstrap
) -> tuple[float | None, float | None]:
    """Return the percentile bootstrap interval of a score.

    All metrics get the same resamples for one seed, so the intervals of several metrics are comparable. Resamples in
    which the metric is not defined are left out. If these are half of all or more, there is no interval. There is also
    none for tables and empty splits. The interval of a biased statistic, such as the expected calibration error of a
    small split, may not contain the score itself.

    With groups, resamples draw whole groups (the cluster bootstrap), because the examples of a group are not
    independent. If all examples are of one group, nothing says how much groups differ, so there is no interval.

    Args:
        metric: The metric.
        predictions: [n, ...], as the target type defines them.
        targets: [n, ...], as the target type defines them.
        output: What the model predicts.
        bootstrap: Number of resamples (0 for no interval), level, seed and groups.

    Returns:
        The lower and the upper end, or None and None.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. Groups: Field and Welsh,
        Bootstrapping clustered data (2007); Davison and Hinkley, Bootstrap Methods and their Application (1997),
        section 3.8.
    """
    resamples, confidence, groups = bootstrap.resamples, bootstrap.confidence, bootstrap.groups
    if resamples == 0 or len(targets) == 0:
        return None, None
    if groups is not None and (groups == groups[0]).all():
        return None, None
    blocks = count_blocks(len(targets), resamples, bootstrap.seed, groups)
    scores = np.concatenate([metric.resample(predictions, targets, counts, output) for counts in blocks])
    defined = scores[np.isfinite(scores)]
    if 2 * len(defined) <= resamples:
        return None, None
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def count_blocks(
    n: int, resamples: int, seed: int, groups: NDArray[np.int64] | None = None
) -> Iterator[NDArray[np.int64]]:
    """Yield in blocks how often each of n examples is drawn in each resample: int64 [r, n].

    A resample is n draws of examples with replacement. With groups it is as many draws of groups as there are groups,
    and each example is drawn as often as its group. The rows then add up to n only if all groups have the same size.
    A block has at most `BLOCK_CELLS` numbers, or one row.

    Args:
        n: Number of examples.
        resamples: Number of resamples.
        seed: Seed of the draws.
        groups: The group of each example, int64 [n]; None to draw examples.

    Raises:
        ValueError: `groups` does not have one number per example.
    """
    if groups is None:
        yield from _draw(n, n, resamples, seed)
        return
    if groups.shape != (n,):
        raise ValueError(f"groups must have one number for each of {n} examples; their shape is {list(groups.shape)}")
    distinct, group = np.unique(groups, return_inverse=True)
    for drawn in _draw(len(distinct), n, resamples, seed):
        yield drawn[:, group]


def _draw(units: int, n: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield how often each unit (an example or a group) is drawn, int64 [r, units], in blocks for n examples."""
    rng = np.random.default_rng(seed)
    size = max(1, BLOCK_CELLS // max(1, n))  # resamples in a block
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        # Each row gets its own range of numbers, so that one `bincount` counts all rows.
        drawn = rng.integers(0, units, size=(rows, units)) + units * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _format(value: float) -> str:
    """Return three decimals for values from 0.001 to 1000, else three significant digits."""
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.3g}"
