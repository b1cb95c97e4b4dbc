"""What a metric must do: stream, merge over processes, resample by the same arithmetic, and know which way is up."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torchmetrics

from core.contracts.components import Metric
from core.registry.registry import load_registry
from core.tasks.output import OutputSpec
from core.testing.expect import Subject
from core.testing.samples import LABELS, sample_output

if TYPE_CHECKING:
    from core.tasks.targets.target import Predictions, Targets

N = 60
RESAMPLES = 6
TOLERANCE = 1e-5


def check_metric(metric: Metric, target: str | None = None, labels: Sequence[str] = LABELS) -> None:
    """Check a metric on synthetic predictions.

    Updates in parts, and parts seen by several processes, give what one update gives; `resample` agrees with computing
    each resample anew; perfect predictions score no worse than random ones, as `higher_is_better` says; decisions give
    what probabilities give if `decides` says so, and only then.

    Args:
        metric: The metric, with its options.
        target: One of the target types that it accepts; None checks each of them.
        labels: Label names; as many as the metric wants.

    Raises:
        AssertionError: What is wrong, and what would put it right.
    """
    for each in metric.targets if target is None else (target,):
        subject = Subject(f"metric {metric.name} ({each})")
        accepted = load_registry().target(each).accepted_by(metric.targets)
        subject.expect(accepted, f"does not accept this target type, only {', '.join(metric.targets)}.")
        output = sample_output(target=each, labels=labels)
        truth = output.stack(output.target.samples(N, output.labels))
        guesses = _guesses(output, truth, 1)
        value = _check_value(subject, metric, guesses, truth, output)
        _check_streaming(subject, metric, guesses, truth, output)
        _check_decides(subject, metric, guesses, truth, output)
        if value.ndim == 0:
            _check_resample(subject, metric, guesses, truth, output)
            _check_direction(subject, metric, truth, output)


def _guesses(output: OutputSpec, truth: Targets, seed: int) -> Predictions:
    """Random predictions."""
    return output.target.sample_predictions(truth, output.labels, seed)


def _value(
    metric: Metric, predictions: Predictions, truth: Targets, output: OutputSpec, cuts: Sequence[int] = ()
) -> Any:
    """The metric's value, updated in parts that end at `cuts`."""
    built, given = metric.build(output), output.target.metric_input
    for some, wanted in zip(np.split(predictions, cuts), np.split(truth, cuts), strict=True):
        built.update(given(some), given(wanted))
    return built.compute()


def _check_value(subject: Subject, metric: Metric, guesses: Predictions, truth: Targets, output: OutputSpec) -> Any:
    built, labels = metric.build(output), output.labels
    subject.expect(isinstance(built, torchmetrics.Metric), f"`build` must give a torchmetrics.Metric, not {built!r}.")
    subject.expect(built is not metric.build(output), "`build` must give a fresh metric at each call.")
    given, wanted = output.target.metric_input(guesses), output.target.metric_input(truth)
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
    subject: Subject, metric: Metric, guesses: Predictions, truth: Targets, output: OutputSpec
) -> None:
    whole = _value(metric, guesses, truth, output)
    parts = _value(metric, guesses, truth, output, cuts=(7, 40))
    subject.expect_equal(parts, whole, "three updates give another value than one with everything.", TOLERANCE)
    mine, other = metric.build(output), metric.build(output)
    for built, half in ((mine, slice(None, 25)), (other, slice(25, None))):
        built.update(output.target.metric_input(guesses[half]), output.target.metric_input(truth[half]))
    mine.merge_state(other)
    cure = "Give every state of `add_state` its `dist_reduce_fx` (sum or cat)."
    subject.expect_equal(mine.compute(), whole, f"merging two processes gives another value. {cure}", TOLERANCE)


def _check_decides(subject: Subject, metric: Metric, guesses: Predictions, truth: Targets, output: OutputSpec) -> None:
    """A metric that looks at decisions alone must say so, or it would not see the thresholds."""
    decided = output.target.same_decisions(guesses, output.labels, 2)
    if decided is None:
        return
    before, after = (_value(metric, each, truth, output) for each in (guesses, decided))
    if metric.decides:
        cure = "Leave `decides` at False."
        message = f"`decides`, yet other predictions with the same decisions give another value. {cure}"
        subject.expect_equal(after, before, message)
    elif output.target.has_thresholds and not output.target.objects:
        differ = not torch.allclose(after, before, equal_nan=True)
        subject.expect(differ, "looks at decisions alone; without `decides = True` it would not see the thresholds.")


def _check_resample(subject: Subject, metric: Metric, guesses: Predictions, truth: Targets, output: OutputSpec) -> None:
    once = np.ones((1, N), dtype=np.int64)
    drawn = np.random.default_rng(2).multinomial(N, np.full(N, 1 / N), size=RESAMPLES).astype(np.int64)
    counts = np.concatenate([once, drawn])
    scores = metric.resample(guesses, truth, counts, output)
    shape = np.shape(scores)
    subject.expect(shape == (len(counts),), f"`resample` must give a score for each row of counts; it gives {shape}.")
    whole = float(_value(metric, guesses, truth, output))
    subject.expect_equal(scores[0], whole, "`resample` with each example once differs from `compute`.", TOLERANCE)
    anew = Metric.resample(metric, guesses, truth, counts, output)
    subject.expect_equal(scores, anew, "`resample` differs from computing each resample anew.", TOLERANCE)


def _check_direction(subject: Subject, metric: Metric, truth: Targets, output: OutputSpec) -> None:
    perfect = output.target.sample_predictions(truth, output.labels, 0, perfect=True)
    best = float(_value(metric, perfect, truth, output))
    sign = 1 if metric.higher_is_better else -1
    for seed in range(3, 6):
        random = float(_value(metric, _guesses(output, truth, seed), truth, output))
        message = f"`higher_is_better` is {metric.higher_is_better}, yet perfect predictions score {best:.4g}"
        subject.expect(sign * best >= sign * random, f"{message} and random ones {random:.4g}.")
