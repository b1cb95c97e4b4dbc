"""Evaluation: metrics streamed over a split, with intervals and baselines beside them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.environment import Hardware
from core.intervals import Score, interval
from core.kinds import BOXES
from core.predicting import as_array, in_order, predict_batches
from core.thresholds import seen_by

if TYPE_CHECKING:
    from core.contracts import LoadedModel, Metric, Prepared
    from core.kinds import Predictions, Targets


@dataclass(frozen=True)
class Evaluation:
    """What evaluating one split gave.

    Attributes:
        scores: The metrics that are one number, NaN where one is not defined on this split.
        tables: The metrics that are a value a label, or a matrix, as nested lists.
        predictions: In the order of the split (rank 0 only), as `core.kinds` says.
        seconds: Wall time.
    """

    scores: dict[str, float]
    tables: dict[str, Any] = field(default_factory=dict)
    predictions: Predictions | None = None
    seconds: float = 0.0


def evaluate(
    model: LoadedModel,
    prepared: Prepared,
    targets: Targets,
    metrics: Mapping[str, Metric],
    labels: Sequence[str],
    target: str,
    hardware: Hardware,
    batch_size: int,
    watch: Callable[[int], None] = lambda done: None,
    thresholds: Sequence[float] | None = None,
) -> Evaluation:
    """Predict a split under inference mode and stream the metrics over it.

    Args:
        model: Its module is put into evaluation mode and back.
        prepared: The split, made ready.
        targets: The split's targets, as `core.kinds.encode_targets` makes them.
        metrics: Metrics by their key.
        labels: Label names.
        target: The task's target.
        hardware: Device, precision and processes; each process takes a share of the examples.
        batch_size: Examples in a batch.
        watch: Told after each batch how many examples are done; may raise to break off.
        thresholds: Of `multi`: the probability from which each label applies (None: one half); of `boxes`: the score
            from which an object counts as found (None: any).
    """
    started = time.perf_counter()
    device = "cpu" if hardware.device.startswith("mps") else hardware.device  # MPS lacks float64, which metrics sum in
    built = {key: metric.build(labels, target).to(device) for key, metric in metrics.items()}
    mine = np.arange(hardware.rank, len(prepared), hardware.world)
    rows, outputs, done = [], [], 0
    for chosen, prediction in predict_batches(model, prepared, hardware, batch_size, mine):
        found, truth = as_array(prediction), _as_input(targets[chosen], device)
        given = _as_input(found, device)
        for key, metric in built.items():
            decided = seen_by(metrics[key], found, thresholds)
            metric.update(given if decided is found else _as_input(decided, device), truth)
        rows.append(chosen)
        outputs.append(found)
        done += len(chosen)
        watch(done)
    scores, tables = _computed(built)
    predictions = in_order(rows, outputs, len(prepared), hardware)
    return Evaluation(scores, tables, predictions, time.perf_counter() - started)


def _computed(built: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, Any]]:
    """The values of metrics: those that are one number, and those that are tables."""
    scores, tables = {}, {}
    for key, metric in built.items():
        value = metric.compute()
        if value.ndim == 0:
            scores[key] = float(value)
        else:
            tables[key] = value.tolist()
    return scores, tables


def _as_input(values: Predictions | Targets, device: str = "cpu") -> Any:
    """What a metric is updated with: a tensor, or a list of what is in each image."""
    return list(values) if values.dtype == object else torch.from_numpy(np.ascontiguousarray(values)).to(device)


def at_thresholds(
    found: Evaluation,
    targets: Targets,
    metrics: Mapping[str, Metric],
    labels: Sequence[str],
    target: str,
    thresholds: Sequence[float] | None,
) -> Evaluation:
    """An evaluation with the metrics that look at decisions computed anew, at these thresholds.

    Args:
        found: What `evaluate` gave, with its predictions.
        targets: The split's targets.
        metrics: Metrics by their key.
        labels: Label names.
        target: The task's target.
        thresholds: The probability from which each label applies; None changes nothing.
    """
    if thresholds is None:
        return found
    assert found.predictions is not None
    deciding = {key: metric for key, metric in metrics.items() if metric.decides}
    scores, tables = _values(deciding, found.predictions, targets, labels, target, thresholds)
    return replace(found, scores=found.scores | scores, tables=found.tables | tables)


def score(
    metrics: Mapping[str, Metric],
    predictions: Predictions,
    targets: Targets,
    labels: Sequence[str],
    target: str,
    *,
    resamples: int,
    confidence: float,
    seed: int,
    values: Mapping[str, float] | None = None,
    thresholds: Sequence[float] | None = None,
) -> dict[str, Score]:
    """Scores with confidence intervals, computed once from stored predictions.

    Args:
        metrics: Metrics by their key; those that are tables are left out.
        predictions: As `core.kinds` says.
        targets: Likewise.
        labels: Label names.
        target: The task's target.
        resamples: Bootstrap resamples; 0 for no intervals.
        confidence: Level of the intervals.
        seed: Seeds the bootstrap.
        values: The scores where they have been computed already.
        thresholds: Of `multi`: the probability from which each label applies (None: one half); of `boxes`: the score
            from which an object counts as found (None: any).
    """
    if values is None:
        values, _ = _values(metrics, predictions, targets, labels, target, thresholds)
    found = {}
    for key, value in values.items():
        low = high = None
        if resamples and math.isfinite(value):
            low, high = interval(
                metrics[key],
                seen_by(metrics[key], predictions, thresholds),
                targets,
                labels,
                target,
                resamples=resamples,
                confidence=confidence,
                seed=seed,
            )
        found[key] = Score(value, low, high)
    return found


def _values(
    metrics: Mapping[str, Metric],
    predictions: Predictions,
    targets: Targets,
    labels: Sequence[str],
    target: str,
    thresholds: Sequence[float] | None,
) -> tuple[dict[str, float], dict[str, Any]]:
    built = {key: metric.build(labels, target) for key, metric in metrics.items()}
    for key, metric in built.items():
        metric.distributed_available_fn = lambda: False  # one process has all predictions
        metric.update(_as_input(seen_by(metrics[key], predictions, thresholds)), _as_input(targets))
    return _computed(built)


def simplest_baseline(train: Targets, n: int, labels: Sequence[str], target: str) -> dict[str, Predictions]:
    """What knowing only the training targets gives: the shares of the labels, or the mean value; of boxes, nothing.

    Args:
        train: Targets of the training split.
        n: Number of predictions wanted.
        labels: Label names.
        target: The task's target.

    Returns:
        By its name, the same prediction n times.
    """
    if target == BOXES:
        return {}
    if target == "regression":
        return {"mean": np.full(n, train.mean(), dtype=np.float32)}
    if target == "multi":
        return {"label_frequency": np.tile(train.mean(axis=0, dtype=np.float64).astype(np.float32), (n, 1))}
    shares = np.bincount(train.astype(np.int64), minlength=len(labels)) / len(train)
    return {"majority": np.tile(shares.astype(np.float32), (n, 1))}
