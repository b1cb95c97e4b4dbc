"""What a metric must do: stream, merge over processes, resample by the same arithmetic, and know which way is up."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torchmetrics

from core.contracts import Metric
from core.kinds import BOXES, MULTI, MULTI_THRESHOLD, REGRESSION, SINGLE, encode_targets
from core.testing.boxes import exact_boxes, found_boxes, rescored, sample_boxes
from core.testing.expect import Subject
from core.thresholds import decide

if TYPE_CHECKING:
    from core.kinds import Predictions, Targets

N = 60
RESAMPLES = 6
TOLERANCE = 1e-5


def check_metric(metric: Metric, target: str | None = None, labels: Sequence[str] = ("low", "mid", "high")) -> None:
    """Check a metric on synthetic predictions.

    Updates in parts, and parts seen by several processes, give what one update gives; `resample` agrees with computing
    each resample anew; perfect predictions score no worse than random ones, as `higher_is_better` says; decisions give
    what probabilities give where `decides` says so, and there alone (of boxes: scores then make no difference).

    Args:
        metric: The metric, with its options.
        target: One of the targets it accepts; None checks each of them.
        labels: Label names; as many as the metric wants.

    Raises:
        AssertionError: What is wrong, and what would put it right.
    """
    for each in metric.targets if target is None else (target,):
        subject = Subject(f"metric {metric.name} ({each})")
        subject.expect(each in metric.targets, f"does not accept this target, only {', '.join(metric.targets)}.")
        names = () if each == REGRESSION else tuple(labels)
        truth = _targets(each, len(names))
        guesses = _guesses(each, len(names), 1, truth)
        value = _check_value(subject, metric, guesses, truth, names, each)
        _check_streaming(subject, metric, guesses, truth, names, each)
        _check_decides(subject, metric, guesses, truth, names, each)
        if value.ndim == 0:
            _check_resample(subject, metric, guesses, truth, names, each)
            _check_direction(subject, metric, truth, names, each)


def _targets(target: str, n_labels: int) -> Targets:
    random = np.random.default_rng(0)
    if target == BOXES:
        return sample_boxes(N, n_labels)
    if target == REGRESSION:
        return random.normal(10, 3, N).astype(np.float32)
    if target == MULTI:
        return (random.random((N, n_labels)) < 0.4).astype(np.float32)
    return encode_targets([row % n_labels for row in range(N)], SINGLE, n_labels)


def _guesses(target: str, n_labels: int, seed: int, truth: Targets) -> Predictions:
    """Random predictions, shaped as `core.kinds` says; of boxes, random errors."""
    random = np.random.default_rng(seed)
    if target == BOXES:
        return found_boxes(truth, n_labels, seed)
    if target == REGRESSION:
        return random.normal(10, 3, N).astype(np.float32)
    if target == MULTI:
        return random.random((N, n_labels)).astype(np.float32)
    return random.dirichlet(np.ones(n_labels), N).astype(np.float32)


def _perfect(truth: Targets, target: str, n_labels: int) -> Predictions:
    if target == BOXES:
        return exact_boxes(truth)
    if target == SINGLE:
        return np.eye(n_labels, dtype=np.float32)[truth.astype(np.int64)]
    return truth.astype(np.float32)


def _given(values: Predictions | Targets) -> Any:
    """What a metric is updated with: a tensor, or a list of what is in each image."""
    return list(values) if values.dtype == object else torch.tensor(values)


def _value(
    metric: Metric,
    predictions: Predictions,
    truth: Targets,
    labels: Sequence[str],
    target: str,
    cuts: Sequence[int] = (),
) -> Any:
    """The metric's value, updated in parts that end at `cuts`."""
    built = metric.build(labels, target)
    for given, wanted in zip(np.split(predictions, cuts), np.split(truth, cuts), strict=True):
        built.update(_given(given), _given(wanted))
    return built.compute()


def _check_value(
    subject: Subject, metric: Metric, guesses: Predictions, truth: Targets, labels: Sequence[str], target: str
) -> Any:
    built = metric.build(labels, target)
    subject.expect(isinstance(built, torchmetrics.Metric), f"`build` must give a torchmetrics.Metric, not {built!r}.")
    subject.expect(built is not metric.build(labels, target), "`build` must give a fresh metric at each call.")
    given, wanted = _given(guesses), _given(truth)
    before = pickle.dumps((given, wanted))
    built.update(given, wanted)
    kept = pickle.dumps((given, wanted)) == before
    subject.expect(kept, "`update` changes the predictions or targets that it is given.")
    value = built.compute()
    subject.expect(isinstance(value, torch.Tensor), f"`compute` must give a tensor, not {type(value).__name__}.")
    shapes = ((), (len(labels),), (len(labels), len(labels)))
    fits = tuple(value.shape) in shapes
    subject.expect(fits, f"`compute` must give a number [], or a table [c] or [c, c]; it is {list(value.shape)}.")
    subject.expect(bool(torch.isfinite(value).all()), f"gives {value.tolist()} for ordinary predictions.")
    return value


def _check_streaming(
    subject: Subject, metric: Metric, guesses: Predictions, truth: Targets, labels: Sequence[str], target: str
) -> None:
    whole = _value(metric, guesses, truth, labels, target)
    parts = _value(metric, guesses, truth, labels, target, cuts=(7, 40))
    subject.expect_equal(parts, whole, "three updates give another value than one with everything.", TOLERANCE)
    mine, other = metric.build(labels, target), metric.build(labels, target)
    for built, half in ((mine, slice(None, 25)), (other, slice(25, None))):
        built.update(_given(guesses[half]), _given(truth[half]))
    mine.merge_state(other)
    cure = "Give every state of `add_state` its `dist_reduce_fx` (sum or cat)."
    subject.expect_equal(mine.compute(), whole, f"merging two processes gives another value. {cure}", TOLERANCE)


def _check_decides(
    subject: Subject, metric: Metric, guesses: Predictions, truth: Targets, labels: Sequence[str], target: str
) -> None:
    """Of `multi`, whoever looks at decisions alone must say so, or it would not see the thresholds."""
    if target == REGRESSION:
        return
    if target == BOXES:
        if metric.decides:
            before, after = (_value(metric, each, truth, labels, target) for each in (guesses, rescored(guesses, 2)))
            subject.expect_equal(after, before, "`decides`, yet it looks at scores. Leave `decides` at False.")
        return
    several = target == MULTI
    chosen = decide(guesses, [MULTI_THRESHOLD] * len(labels)) if several else np.eye(len(labels))[guesses.argmax(1)]
    before = _value(metric, guesses, truth, labels, target)
    after = _value(metric, chosen.astype(np.float32), truth, labels, target)
    if metric.decides:
        cure = "Leave `decides` at False."
        subject.expect_equal(after, before, f"`decides`, yet probabilities and their decisions differ. {cure}")
    elif several:
        differ = not torch.allclose(after, before, equal_nan=True)
        subject.expect(differ, "looks at decisions alone; without `decides = True` it would not see the thresholds.")


def _check_resample(
    subject: Subject, metric: Metric, guesses: Predictions, truth: Targets, labels: Sequence[str], target: str
) -> None:
    once = np.ones((1, N), dtype=np.int64)
    drawn = np.random.default_rng(2).multinomial(N, np.full(N, 1 / N), size=RESAMPLES).astype(np.int64)
    counts = np.concatenate([once, drawn])
    scores = metric.resample(guesses, truth, counts, labels, target)
    shape = np.shape(scores)
    subject.expect(shape == (len(counts),), f"`resample` must give a score for each row of counts; it gives {shape}.")
    whole = float(_value(metric, guesses, truth, labels, target))
    subject.expect_equal(scores[0], whole, "`resample` with each example once differs from `compute`.", TOLERANCE)
    anew = Metric.resample(metric, guesses, truth, counts, labels, target)
    subject.expect_equal(scores, anew, "`resample` differs from computing each resample anew.", TOLERANCE)


def _check_direction(subject: Subject, metric: Metric, truth: Targets, labels: Sequence[str], target: str) -> None:
    best = float(_value(metric, _perfect(truth, target, len(labels)), truth, labels, target))
    sign = 1 if metric.higher_is_better else -1
    for seed in range(3, 6):
        random = float(_value(metric, _guesses(target, len(labels), seed, truth), truth, labels, target))
        message = f"`higher_is_better` is {metric.higher_is_better}, yet perfect predictions score {best:.4g}"
        subject.expect(sign * best >= sign * random, f"{message} and random ones {random:.4g}.")
