"""Evaluation: metrics streamed over a split, predictions in its order, intervals and baselines beside them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.batching import evaluation_batches
from core.environment import Hardware, unwrap
from core.intervals import Score, interval
from core.optimize import training_mode

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
    """
    started = time.perf_counter()
    device = "cpu" if hardware.device.startswith("mps") else hardware.device  # MPS lacks float64, which metrics sum in
    built = {key: metric.build(labels, target).to(device) for key, metric in metrics.items()}
    mine = np.arange(hardware.rank, len(prepared), hardware.world)
    rows, outputs, done = [], [], 0
    for chosen, prediction in predict_batches(model, prepared, hardware, batch_size, mine):
        given, truth = prediction.to(device), torch.from_numpy(targets[chosen]).to(device)
        for metric in built.values():
            metric.update(given, truth)
        rows.append(chosen)
        outputs.append(prediction.cpu())
        done += len(chosen)
        watch(done)
    scores, tables = {}, {}
    for key, metric in built.items():
        value = metric.compute()
        if value.ndim == 0:
            scores[key] = float(value)
        else:
            tables[key] = value.tolist()
    predictions = _in_order(rows, outputs, len(prepared), hardware)
    return Evaluation(scores, tables, predictions, time.perf_counter() - started)


def predict_batches(
    model: LoadedModel, prepared: Prepared, hardware: Hardware, batch_size: int, indices: Any = None
) -> Any:
    """Indices and predictions of each batch, longest first; under inference mode, in the run's precision."""
    module = unwrap(model.module)
    was_training = module.training
    module.eval()
    try:
        with torch.inference_mode():
            for chosen, tensors in evaluation_batches(model, prepared, batch_size, indices):
                batch = {name: value.to(hardware.device, non_blocking=True) for name, value in tensors.items()}
                with hardware.autocast():
                    yield chosen, model.predict(batch)
    finally:
        if was_training:
            training_mode(module)


def predict(model: LoadedModel, prepared: Prepared, hardware: Hardware, batch_size: int) -> Predictions:
    """Predictions for every example, in their order."""
    rows, outputs = [], []
    for chosen, prediction in predict_batches(model, prepared, hardware, batch_size):
        rows.append(chosen)
        outputs.append(prediction.cpu())
    found = _in_order(rows, outputs, len(prepared), Hardware(hardware.device, hardware.precision))
    assert found is not None
    return found


def _in_order(rows: list[Any], outputs: list[torch.Tensor], n: int, hardware: Hardware) -> Predictions | None:
    shares = hardware.gather((rows, [output.float().numpy() for output in outputs]))
    every_row = [chosen for share, _ in shares for chosen in share]
    every_output = [output for _, share in shares for output in share]
    if not every_row:
        return np.zeros((0,), dtype=np.float32)
    ordered = np.empty((n, *every_output[0].shape[1:]), dtype=np.float32)
    for chosen, output in zip(every_row, every_output, strict=True):
        ordered[chosen] = output
    return ordered


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
    """
    if values is None:
        values = _scores(metrics, predictions, targets, labels, target)
    found = {}
    for key, value in values.items():
        low = high = None
        if resamples and math.isfinite(value):
            low, high = interval(
                metrics[key],
                predictions,
                targets,
                labels,
                target,
                resamples=resamples,
                confidence=confidence,
                seed=seed,
            )
        found[key] = Score(value, low, high)
    return found


def _scores(
    metrics: Mapping[str, Metric], predictions: Predictions, targets: Targets, labels: Sequence[str], target: str
) -> dict[str, float]:
    scores = {}
    for key, metric in metrics.items():
        built = metric.build(labels, target)
        built.distributed_available_fn = lambda: False  # rank 0 has all predictions
        built.update(torch.tensor(predictions), torch.tensor(targets))
        value = built.compute()
        if value.ndim == 0:
            scores[key] = float(value)
    return scores


def simplest_baseline(train: Targets, n: int, labels: Sequence[str], target: str) -> tuple[str, Predictions]:
    """What knowing only the training targets gives: the shares of the labels, or the mean value.

    Args:
        train: Targets of the training split.
        n: Number of predictions wanted.
        labels: Label names.
        target: The task's target.

    Returns:
        Its name, and the same prediction n times.
    """
    if target == "regression":
        return "mean", np.full(n, train.mean(), dtype=np.float32)
    if target == "multi":
        return "label_frequency", np.tile(train.mean(axis=0, dtype=np.float64).astype(np.float32), (n, 1))
    shares = np.bincount(train.astype(np.int64), minlength=len(labels)) / len(train)
    return "majority", np.tile(shares.astype(np.float32), (n, 1))
