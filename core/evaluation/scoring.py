"""Evaluate a split: stream the metrics over it, and compute scores with confidence intervals."""

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
    import torchmetrics

    from core.contracts.components import Metric
    from core.evaluation.predict import Batch
    from core.tasks.targets.target import Predictions, Targets


@dataclass(frozen=True)
class Scoring:
    """The metrics of an evaluation, with what they need besides predictions and targets.

    Attributes:
        metrics: The metrics by their key.
        output: What the model predicts.
        thresholds: The thresholds of the target type; None if none have been chosen (yet).
    """

    metrics: Mapping[str, Metric]
    output: OutputSpec
    thresholds: tuple[float, ...] | None = None

    def input_of(self, key: str, predictions: Predictions) -> Predictions:
        """Return the input of a metric: decisions if it scores decisions and there are thresholds, else predictions."""
        if self.thresholds is None or not self.metrics[key].decides:
            return predictions
        return self.output.target.decide(predictions, self.thresholds)


@dataclass(frozen=True)
class Evaluation:
    """The result of evaluating one split.

    Attributes:
        scores: The metrics that are one number; NaN if a metric is not defined on this split.
        tables: The metrics that are one value per label, or a matrix, as nested lists.
        predictions: [n, ...] in the order of the split, as the target type defines them.
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
        watch: Called after each batch with the number of examples so far; it may raise to interrupt the evaluation.
    """
    started, target = time.perf_counter(), scoring.output.target
    device = "cpu" if hardware.device.startswith("mps") else hardware.device  # MPS lacks float64, the type of sums
    built = {key: metric.build(scoring.output).to(device) for key, metric in scoring.metrics.items()}
    rows, outputs, done = [], [], 0
    with closing(batches):  # so that an interruption leaves inference mode at once
        for chosen, prediction in batches:
            predicted, truth = as_array(prediction), target.metric_input(targets[chosen], device)
            on_device = target.metric_input(predicted, device)
            for key, metric in built.items():
                given = scoring.input_of(key, predicted)
                metric.update(on_device if given is predicted else target.metric_input(given, device), truth)
            rows.append(chosen)
            outputs.append(predicted)
            done += len(chosen)
            watch(done)
    scores, tables = _compute(built)
    predictions = in_order(rows, outputs, len(targets), hardware)
    return Evaluation(scores, tables, predictions, time.perf_counter() - started)


def _compute(built: Mapping[str, torchmetrics.Metric]) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the values of metrics: those that are one number, and the tables."""
    scores, tables = {}, {}
    for key, metric in built.items():
        value = metric.compute()
        if value.ndim == 0:
            scores[key] = float(value)
        else:
            tables[key] = value.tolist()
    return scores, tables


def at_thresholds(evaluation: Evaluation, targets: Targets, scoring: Scoring) -> Evaluation:
    """Return the evaluation with the metrics of decisions recomputed at the thresholds of `scoring`.

    Args:
        evaluation: The result of `evaluate`, with its predictions.
        targets: The targets of the split.
        scoring: Metrics, output and thresholds; without thresholds, nothing changes.
    """
    if scoring.thresholds is None:
        return evaluation
    assert evaluation.predictions is not None
    deciding = {key: metric for key, metric in scoring.metrics.items() if metric.decides}
    scores, tables = _values(replace(scoring, metrics=deciding), evaluation.predictions, targets)
    return replace(evaluation, scores=evaluation.scores | scores, tables=evaluation.tables | tables)


def score(
    scoring: Scoring,
    predictions: Predictions,
    targets: Targets,
    bootstrap: Bootstrap,
    values: Mapping[str, float] | None = None,
) -> dict[str, Score]:
    """Return scores with confidence intervals, from stored predictions.

    Args:
        scoring: Metrics (tables are left out), output and thresholds.
        predictions: [n, ...], as the target type defines them.
        targets: [n, ...], as the target type defines them.
        bootstrap: Number of resamples, level, seed and groups.
        values: The scores without intervals, if they are known already.
    """
    if values is None:
        values, _ = _values(scoring, predictions, targets)
    scores = {}
    for key, value in values.items():
        low = high = None
        if bootstrap.resamples and math.isfinite(value):
            given = scoring.input_of(key, predictions)
            low, high = interval(scoring.metrics[key], given, targets, scoring.output, bootstrap)
        scores[key] = Score(value, low, high)
    return scores


def _values(scoring: Scoring, predictions: Predictions, targets: Targets) -> tuple[dict[str, float], dict[str, Any]]:
    """Return scores and tables, from stored predictions."""
    target = scoring.output.target
    built = {key: metric.build(scoring.output) for key, metric in scoring.metrics.items()}
    for key, metric in built.items():
        metric.distributed_available_fn = lambda: False  # this process has all predictions
        metric.update(target.metric_input(scoring.input_of(key, predictions)), target.metric_input(targets))
    return _compute(built)
