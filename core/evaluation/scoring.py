"""Evaluation: metrics streamed over a split, and scores with confidence intervals."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from core.evaluation.bootstrap import Bootstrap, Score, interval
from core.evaluation.predict import as_array, in_order
from core.runtime.hardware import Hardware
from core.tasks.output import OutputSpec

if TYPE_CHECKING:
    from core.contracts.components import Metric
    from core.evaluation.predict import Batch
    from core.tasks.targets.target import Predictions, Targets


@dataclass(frozen=True)
class Scoring:
    """What is computed from predictions.

    Attributes:
        metrics: Metrics by their key.
        output: What is predicted.
        thresholds: Thresholds of the target type; None where none have been chosen (yet).
    """

    metrics: Mapping[str, Metric]
    output: OutputSpec
    thresholds: tuple[float, ...] | None = None

    def seen_by(self, key: str, predictions: Predictions) -> Predictions:
        """Return what a metric is given: decisions if it looks at nothing else and thresholds are known."""
        if self.thresholds is None or not self.metrics[key].decides:
            return predictions
        return self.output.target.decide(predictions, self.thresholds)


@dataclass(frozen=True)
class Evaluation:
    """The result of evaluating one split.

    Attributes:
        scores: The metrics that are one number, NaN where one is not defined on this split.
        tables: The metrics that are one value per label, or a matrix, as nested lists.
        predictions: In the order of the split (rank 0 only), shaped as the target type defines.
        seconds: Wall time.
    """

    scores: dict[str, float]
    tables: dict[str, Any] = field(default_factory=dict)
    predictions: Predictions | None = None
    seconds: float = 0.0


def evaluate(
    batches: Generator[Batch, None, None],
    targets: Targets,
    scoring: Scoring,
    hardware: Hardware,
    watch: Callable[[int], None] = lambda done: None,
) -> Evaluation:
    """Stream the metrics over the predictions of a split.

    Args:
        batches: Indices and predictions of each batch, from `predict_batches`; each process has its share.
        targets: The targets of the whole split, [n, ...].
        scoring: Metrics, output and thresholds.
        hardware: Device and processes.
        watch: Called after each batch with the number of examples done; it may raise to interrupt the evaluation.
    """
    started, target = time.perf_counter(), scoring.output.target
    device = "cpu" if hardware.device.startswith("mps") else hardware.device  # MPS lacks float64, which metrics sum in
    built = {key: metric.build(scoring.output).to(device) for key, metric in scoring.metrics.items()}
    rows, outputs, done = [], [], 0
    with closing(batches):  # so that an interruption leaves inference mode at once
        for chosen, prediction in batches:
            found, truth = as_array(prediction), target.metric_input(targets[chosen], device)
            given = target.metric_input(found, device)
            for key, metric in built.items():
                seen = scoring.seen_by(key, found)
                metric.update(given if seen is found else target.metric_input(seen, device), truth)
            rows.append(chosen)
            outputs.append(found)
            done += len(chosen)
            watch(done)
    scores, tables = _computed(built)
    predictions = in_order(rows, outputs, len(targets), hardware)
    return Evaluation(scores, tables, predictions, time.perf_counter() - started)


def _computed(built: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the values of metrics: those that are one number, and those that are tables."""
    scores, tables = {}, {}
    for key, metric in built.items():
        value = metric.compute()
        if value.ndim == 0:
            scores[key] = float(value)
        else:
            tables[key] = value.tolist()
    return scores, tables


def at_thresholds(found: Evaluation, targets: Targets, scoring: Scoring) -> Evaluation:
    """Return an evaluation whose metrics of decisions are computed anew, at the thresholds of `scoring`.

    Args:
        found: What `evaluate` returned, with its predictions.
        targets: The targets of the split.
        scoring: Metrics, output and thresholds; without thresholds, nothing changes.
    """
    if scoring.thresholds is None:
        return found
    assert found.predictions is not None
    deciding = {key: metric for key, metric in scoring.metrics.items() if metric.decides}
    scores, tables = _values(replace(scoring, metrics=deciding), found.predictions, targets)
    return replace(found, scores=found.scores | scores, tables=found.tables | tables)


def score(
    scoring: Scoring,
    predictions: Predictions,
    targets: Targets,
    bootstrap: Bootstrap,
    values: Mapping[str, float] | None = None,
) -> dict[str, Score]:
    """Return scores with confidence intervals, from stored predictions.

    Args:
        scoring: Metrics (those that are tables are left out), output and thresholds.
        predictions: [n, ...], as the target type defines them.
        targets: [n, ...], likewise.
        bootstrap: Number of resamples, level and seed.
        values: The scores if they have been computed already.
    """
    if values is None:
        values, _ = _values(scoring, predictions, targets)
    found = {}
    for key, value in values.items():
        low = high = None
        if bootstrap.resamples and math.isfinite(value):
            seen = scoring.seen_by(key, predictions)
            low, high = interval(scoring.metrics[key], seen, targets, scoring.output, bootstrap)
        found[key] = Score(value, low, high)
    return found


def _values(scoring: Scoring, predictions: Predictions, targets: Targets) -> tuple[dict[str, float], dict[str, Any]]:
    target = scoring.output.target
    built = {key: metric.build(scoring.output) for key, metric in scoring.metrics.items()}
    for key, metric in built.items():
        metric.distributed_available_fn = lambda: False  # this process has all predictions
        metric.update(target.metric_input(scoring.seen_by(key, predictions)), target.metric_input(targets))
    return _computed(built)
