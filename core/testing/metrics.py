"""Check a metric: streaming, several processes, bootstrap resamples, and the direction of better."""

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
from core.testing.samples import sample_output

if TYPE_CHECKING:
    from core.tasks.targets.target import Predictions, Targets

N = 60
"""Number of synthetic examples."""
RESAMPLES = 6
TOLERANCE = 1e-5


def check_metric(metric: Metric, target: str | None = None, labels: Sequence[str] | None = None) -> None:
    """Check a metric on synthetic predictions.

    Requirements:

    - `build` returns a new torchmetrics metric, whose value is a finite tensor [], [c] or [c, c]. In a table, the
      labels that the metric does not score, such as the tag `O`, are NaN.
    - Several updates, and the merged states of several processes, give the value of one update.
    - `resample` gives the value that `compute` gives for each resample.
    - Perfect predictions score at least as well as random ones, in the direction of `higher_is_better`.
    - With `decides`, predictions with the same decisions have the same value; without it, they do not.

    Args:
        metric: The metric, with its options.
        target: One of the target types that it accepts; None to check all of them.
        labels: Label names, as many as the metric needs; None for those of the target type.

    Raises:
        AssertionError: A requirement is not met.
    """
    named = Subject(f"metric {metric.name}")
    named.expect(metric.targets, "accepts no target type. Name them in `targets`, such as ('single', 'multi').")
    for each in metric.targets if target is None else (target,):
        subject = Subject(f"metric {metric.name} ({each})")
        accepted = load_registry().target(each).accepted_by(metric.targets)
        cure = "Add this one to `targets`, or check another."
        subject.expect(accepted, f"accepts only the target types {', '.join(metric.targets)}. {cure}")
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
    """Return random predictions."""
    return output.target.sample_predictions(truth, output.labels, seed)


def _value(
    metric: Metric, predictions: Predictions, truth: Targets, output: OutputSpec, cuts: Sequence[int] = ()
) -> Any:
    """Return the metric's value after one update per part; parts end at `cuts`."""
    built, given = metric.build(output), output.target.metric_input
    for part, targets in zip(np.split(predictions, cuts), np.split(truth, cuts), strict=True):
        built.update(given(part), given(targets))
    return built.compute()


def _check_value(subject: Subject, metric: Metric, guesses: Predictions, truth: Targets, output: OutputSpec) -> Any:
    """Check types and shapes, and return the value."""
    built, labels = metric.build(output), output.labels
    subject.expect(isinstance(built, torchmetrics.Metric), f"`build` must return a torchmetrics.Metric, not {built!r}.")
    subject.expect(built is not metric.build(output), "`build` must return a new metric on each call.")
    given, targets = output.target.metric_input(guesses), output.target.metric_input(truth)
    before = pickle.dumps((given, targets))
    built.update(given, targets)
    unchanged = pickle.dumps((given, targets)) == before
    subject.expect(unchanged, "`update` changes its arguments in place. Copy them first.")
    value = built.compute()
    subject.expect(isinstance(value, torch.Tensor), f"`compute` must return a tensor, not {type(value).__name__}.")
    shapes = ((), (len(labels),), (len(labels), len(labels)))
    fits = tuple(value.shape) in shapes
    subject.expect(fits, f"`compute` must return shape [], [c] or [c, c]; it returns {list(value.shape)}.")
    finite, unscored = torch.isfinite(value), torch.isnan(value)
    valid = bool(finite.all() if value.ndim == 0 else finite.any() and (finite | unscored).all())
    subject.expect(valid, f"`compute` must be finite for ordinary predictions; it is {value.tolist()}.")
    return value


def _check_streaming(
    subject: Subject, metric: Metric, guesses: Predictions, truth: Targets, output: OutputSpec
) -> None:
    """Check that three updates, and two processes, give the value of one update."""
    whole = _value(metric, guesses, truth, output)
    parts = _value(metric, guesses, truth, output, cuts=(7, 40))
    cure = "Accumulate in `update`, and compute the value in `compute`."
    subject.expect_equal(parts, whole, f"three updates give another value than one update. {cure}", TOLERANCE)
    mine, other = metric.build(output), metric.build(output)
    for built, half in ((mine, slice(None, 25)), (other, slice(25, None))):
        built.update(output.target.metric_input(guesses[half]), output.target.metric_input(truth[half]))
    mine.merge_state(other)
    cure = "Pass `dist_reduce_fx` (sum or cat) to each `add_state`."
    subject.expect_equal(mine.compute(), whole, f"two merged processes give another value than one. {cure}", TOLERANCE)


def _check_decides(subject: Subject, metric: Metric, guesses: Predictions, truth: Targets, output: OutputSpec) -> None:
    """Check that `decides` is right: only with it does a metric get the decisions at the chosen thresholds."""
    decided = output.target.same_decisions(guesses, output.labels, 2)
    if decided is None:
        return
    before, after = (_value(metric, each, truth, output) for each in (guesses, decided))
    if metric.decides:
        cure = "Set `decides = False`."
        message = f"`decides` is True, but other predictions with the same decisions give another value. {cure}"
        subject.expect_equal(after, before, message)
    elif output.target.has_thresholds and not output.target.objects:
        differ = not torch.allclose(after, before, equal_nan=True)
        message = "only decisions change its value. Set `decides = True`, or it ignores the chosen thresholds."
        subject.expect(differ, message)


def _check_resample(subject: Subject, metric: Metric, guesses: Predictions, truth: Targets, output: OutputSpec) -> None:
    """Check that `resample` agrees with `compute`."""
    once = np.ones((1, N), dtype=np.int64)
    drawn = np.random.default_rng(2).multinomial(N, np.full(N, 1 / N), size=RESAMPLES).astype(np.int64)
    grouped = np.arange(N)[None] % 4  # resamples of groups do not have N examples in all
    counts = np.concatenate([once, drawn, grouped])
    scores = metric.resample(guesses, truth, counts, output)
    shape = np.shape(scores)
    subject.expect(
        shape == (len(counts),),
        f"`resample` must return one score per row of `counts`, [{len(counts)}]; it returns {shape}.",
    )
    whole = float(_value(metric, guesses, truth, output))
    cure = "Correct it, or remove it: the inherited `resample` is slower but agrees."
    message = f"`resample` with each example once differs from `compute`. {cure}"
    subject.expect_equal(scores[0], whole, message, TOLERANCE)
    expected = Metric.resample(metric, guesses, truth, counts, output)
    message = f"`resample` differs from `compute` on the resampled examples. {cure}"
    subject.expect_equal(scores, expected, message, TOLERANCE)


def _check_direction(subject: Subject, metric: Metric, truth: Targets, output: OutputSpec) -> None:
    """Check that perfect predictions score at least as well as random ones."""
    perfect = output.target.sample_predictions(truth, output.labels, 0, perfect=True)
    best = float(_value(metric, perfect, truth, output))
    sign = 1 if metric.higher_is_better else -1
    for seed in range(3, 6):
        random = float(_value(metric, _guesses(output, truth, seed), truth, output))
        message = f"`higher_is_better` is {metric.higher_is_better}, but perfect predictions score {best:.4g}"
        subject.expect(sign * best >= sign * random, f"{message} and random ones {random:.4g}. Correct one of them.")
