"""Check a target type on its own samples: encode, stack, score, write and compare them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.inference.outputs import FORMATS
from core.issues import RowIssue
from core.registry.registry import load_registry
from core.reporting.report import REPORT_ENTRIES
from core.tasks.targets.target import ResultTable, TargetType
from core.tasks.task import Task
from core.tasks.task_type import TaskType
from core.testing.costs import costs_of
from core.testing.expect import Subject

if TYPE_CHECKING:
    from core.tasks.targets.target import Predictions, Targets

N = 60
"""Number of samples."""
TRAIN_OPTIONS = {"class_weights", "label_smoothing", "thresholds"}
"""The options of `train` that a target type may name in `train_options`."""


def check_target_type(target: TargetType, labels: Sequence[str] | None = None, examples: Sequence[Any] = ()) -> None:
    """Check a target type on its own samples, and on your examples.

    Requirements:

    - `samples` are valid, have labels within range, and stack into an array [n, ...].
    - `losses` from logits are finite, one per example, with a gradient; `predictions` from logits are valid.
    - Thresholds, baselines and tables have the shapes that a run expects.
    - Targets, predictions and tables are written as JSON values, and CSV rows as plain values.
    - `formats` are new names in lower case, and `text_lines` yields text lines without newlines for each of them.
    - `difference` is 0 for equal predictions and above 0 for different ones. It is overridden if `objects` is True.
    - `like` is empty, or the name of a target type with arrays of the same dtype and shape.

    Args:
        target: The target type.
        labels: Label names, if it has labels; None for its own `sample_labels`.
        examples: Examples of a registered task type, with targets. `write`, `write_target` and `baseline` receive them,
            and `rows` and `text_lines` receive lines that begin with their content, as in a run. By default those of
            `TaskType.samples`; without any, they receive None in place of each.

    Raises:
        AssertionError: A requirement is not met.
    """
    subject = Subject(f"target type {target.name}")
    labels = target.sample_labels if labels is None else labels
    names = tuple(labels) if target.has_labels else ()
    samples = target.samples(N, names)
    truth = _check_targets(subject, target, samples, names)
    if target.from_logits():
        _check_logits(subject, target, truth, names)
    guesses = target.sample_predictions(truth, names, 1)
    _check_options(subject, target, truth, guesses, names)
    _check_formats(subject, target)
    _check_scores(subject, target, truth, guesses, names)
    _check_like(subject, target, truth, guesses, labels)
    examples = examples or _own_examples(target, samples, names)
    if examples:
        targets = [example.target for example in examples]
        _check_examples(subject, target, targets, examples, names, _task_type(subject, target, examples[0]))
    else:
        _check_examples(subject, target, samples, [None] * N, names)


def _check_targets(subject: Subject, target: TargetType, samples: list[Any], labels: tuple[str, ...]) -> Targets:
    """Check targets, and return them as one array."""
    subject.expect(len(samples) == N, f"`samples({N}, …)` must return {N} targets; it returns {len(samples)}.")
    for sample in samples:
        problem = target.target_problem(sample, labels)
        subject.expect(not problem, f"`target_problem` refuses the sample {sample!r} of `samples`: it {problem}.")
        for label in target.labels_of(sample):
            subject.expect(
                0 <= label < len(labels),
                f"`labels_of({sample!r})` returns {label}, but there are only {len(labels)} labels.",
            )
    subject.expect(
        target.target_problem(object(), labels),
        "`target_problem(object(), labels)` must say what is wrong; it returns an empty text.",
    )
    truth = target.stack(samples, labels)
    subject.expect(len(truth) == N, f"`stack` must return an array [n, ...] with n = {N}; its length is {len(truth)}.")
    content = "objects" if target.objects else "numbers"
    subject.expect(
        (truth.dtype == object) == target.objects,
        f"`objects` is {target.objects}, so `stack` must return an array of {content}; its dtype is {truth.dtype}.",
    )
    strata = target.strata(samples)
    fits = isinstance(strata, np.ndarray) and strata.shape == (N,) and strata.dtype == np.int64
    subject.expect(fits, f"`strata` must return an int64 array [n]; it returns {strata!r}.")
    encoder = target.encoder(Task(target=target.name))
    subject.expect(
        isinstance(encoder.add(None), RowIssue),
        "`add(None)` of its encoder must return a RowIssue, because None is a missing label.",
    )
    return truth


def _check_logits(subject: Subject, target: TargetType, truth: Targets, labels: tuple[str, ...]) -> None:
    """Check losses and predictions from random logits."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(N, target.outputs(labels), generator=generator).requires_grad_()
    losses = target.losses(logits, torch.from_numpy(truth))
    fits = losses.shape == (N,) and losses.dtype == torch.float32
    subject.expect(fits, f"`losses` must return float32 [b]; it returns {losses.dtype} {list(losses.shape)}.")
    finite = bool(torch.isfinite(losses).all())
    subject.expect(finite and losses.requires_grad, "`losses` must be finite, and have a gradient to the logits.")
    alone = torch.cat(
        [target.losses(logits[row : row + 1], torch.from_numpy(truth[row : row + 1])) for row in range(5)]
    )
    subject.expect_equal(alone, losses[:5], "the loss of an example must not depend on the others in its batch.", 1e-6)
    predictions = target.predictions(logits).detach().numpy()
    problem = target.problem(predictions, N, labels)
    subject.expect(not problem, f"`predictions` from random logits {problem}")
    costs = costs_of(target, predictions, truth)
    if costs is not None:
        message = "`costs` of the predictions from logits must be the `losses` of these logits, times a constant."
        subject.expect_equal(costs * (float(losses.detach().sum()) / costs.sum()), losses, message, 1e-3)


def _check_options(
    subject: Subject, target: TargetType, truth: Targets, guesses: Predictions, labels: tuple[str, ...]
) -> None:
    """Check class weights and thresholds."""
    unknown = sorted(target.train_options - TRAIN_OPTIONS)
    allowed = ", ".join(sorted(TRAIN_OPTIONS))
    subject.expect(not unknown, f"`train_options` may contain {allowed}, not {', '.join(unknown)}.")
    if "class_weights" in target.train_options:
        weights = target.class_weights(truth, labels)
        fits = len(weights) == len(labels) and all(weight > 0 for weight in weights)
        subject.expect(fits, f"`class_weights` must return a weight above 0 for each label; it returns {weights!r}.")
    chosen = target.choose_thresholds(guesses, truth)
    agree = (chosen is not None) == target.has_thresholds
    subject.expect(agree, f"`has_thresholds` is {target.has_thresholds}, but `choose_thresholds` returns {chosen!r}.")
    if chosen is not None:
        names = target.threshold_names(labels)
        subject.expect(
            len(chosen) == len(names),
            f"`choose_thresholds` returns {len(chosen)} values, but `threshold_names` {len(names)}.",
        )
        subject.expect(
            target.describe_thresholds(chosen),
            "`describe_thresholds` must return a sentence for the summary; it returns an empty text.",
        )
        decided = target.decide(guesses, chosen)
        subject.expect(len(decided) == N, f"`decide` must return {N} decisions; it returns {len(decided)}.")


def _check_formats(subject: Subject, target: TargetType) -> None:
    """Check the names of text formats."""
    names = target.formats
    fits = isinstance(names, tuple) and len(set(names) - set(FORMATS)) == len(names)
    fits = fits and all(isinstance(name, str) and re.fullmatch("[a-z][a-z0-9_-]*", name) for name in names)
    subject.expect(
        fits,
        f"`formats` must be a tuple of different names in lower case, other than {' and '.join(FORMATS)}; "
        f"it is {names!r}. Write ('NAME',) for a single name.",
    )
    written = not names or type(target).text_lines is not TargetType.text_lines
    subject.expect(written, f"`formats` is {names!r}, so it must override `text_lines`.")


def _check_scores(
    subject: Subject, target: TargetType, truth: Targets, guesses: Predictions, labels: tuple[str, ...]
) -> None:
    """Check sample predictions, differences and tables."""
    for what, values in (("random", guesses), ("perfect", target.sample_predictions(truth, labels, 1, perfect=True))):
        problem = target.problem(values, N, labels)
        subject.expect(not problem, f"`problem` refuses the {what} predictions of `sample_predictions`: it {problem}")
    subject.expect(
        not target.objects or type(target).difference is not TargetType.difference,
        "`objects` is True, so it must override `difference`; the default compares arrays of numbers.",
    )
    gap = target.difference(guesses, guesses)
    subject.expect(gap == 0, f"`difference` of equal predictions must be 0; it is {gap}.")
    other = target.difference(guesses, target.sample_predictions(truth, labels, 2))
    subject.expect(other > 0, "`difference` of two different random predictions must be above 0; it is 0.")
    thresholds = target.choose_thresholds(guesses, truth)
    for key, table in target.tables(guesses, truth, labels, thresholds).items():
        subject.expect(isinstance(table, ResultTable), f"the table {key!r} must be a ResultTable, not {table!r}.")
        subject.expect(
            key not in REPORT_ENTRIES, f"the table {key!r} has the name of an entry of report.json. Rename it."
        )
        _as_json(subject, table.content, f"the table {key!r}")
        rows = not table.title or all(isinstance(row, dict) for row in table.content)
        subject.expect(rows, f"the table {key!r} has a title, so its content must be a list of dicts, one per row.")


def _check_like(
    subject: Subject, target: TargetType, truth: Targets, guesses: Predictions, labels: Sequence[str]
) -> None:
    """Check that `like` names a target type with the same arrays."""
    if not target.like:
        return
    registry = load_registry()
    if target.like not in registry.components["target_type"]:
        message, cure = registry.unknown("target_type", target.like, list(registry.components["target_type"]))
        subject.fail(f"`like` must be empty or the name of a target type: {message} {cure}")
    other = registry.target(target.like)
    names = tuple(labels) if other.has_labels else ()
    their_truth = other.stack(other.samples(N, names), names)
    pairs = (
        ("targets", truth, their_truth),
        ("predictions", guesses, other.sample_predictions(their_truth, names, 1)),
    )
    for what, ours, theirs in pairs:
        subject.expect(
            ours.dtype == theirs.dtype and ours.shape == theirs.shape,
            f"`like` is {target.like!r}, but the {what} of {N} samples are {ours.dtype} {list(ours.shape)}, "
            f"and those of {target.like} are {theirs.dtype} {list(theirs.shape)}.",
        )


def _own_examples(target: TargetType, targets: Sequence[Any], labels: tuple[str, ...]) -> Sequence[Any]:
    """Return the synthetic examples of a task type with this target type; empty if there are none."""
    known = [load_registry().task_type(name) for name in load_registry().components["task_type"]]
    has_samples = [each for each in known if type(each).samples is not TaskType.samples]
    return next((each.samples(targets, labels) for each in has_samples if target.name in each.targets), ())


def _task_type(subject: Subject, target: TargetType, example: Any) -> TaskType:
    """Return the registered task type of an example that accepts this target type."""
    registry = load_registry()
    known = [registry.task_type(name) for name in registry.components["task_type"]]
    fitting = [each for each in known if type(example) is each.example and target.name in registry.targets_of(each)]
    name = type(example).__name__
    subject.expect(fitting, f"no registered task type has examples of the class {name} and this target type.")
    return fitting[0]


def _check_examples(
    subject: Subject,
    target: TargetType,
    targets: Sequence[Any],
    examples: Sequence[Any],
    labels: tuple[str, ...],
    task_type: TaskType | None = None,
) -> None:
    """Check baselines, lines of `predictions.jsonl`, rows of a CSV and lines of text formats.

    Args:
        subject: For messages.
        target: The target type.
        targets: The target of each example.
        examples: Examples, or None for each.
        labels: Label names.
        task_type: The task type of the examples; None if there are none.
    """
    for each, example in zip(targets, examples, strict=True):
        problem = target.target_problem(each, labels, example)
        subject.expect(not problem, f"`target_problem` refuses the target of {example!r}: it {problem}.")
    truth = target.stack(targets, labels)
    few = examples[:7]  # fewer than the training targets, so that their numbers cannot be confused
    for name, values in target.baseline(truth, few, labels).items():
        problem = target.problem(values, len(few), labels)
        subject.expect(not problem, f"the baseline {name!r} {problem}")
    guesses = target.sample_predictions(truth, labels, 1)
    for prediction, wanted, example in zip(guesses, targets, examples, strict=True):
        written = target.write_target(wanted, labels, example)
        _as_json(subject, written, "`write_target`")
        line = target.write(prediction, labels, None, example)
        _as_json(subject, line, "`write`")
        line = (task_type.content(example) if task_type else {}) | line
        _check_rows(subject, target, line, labels)
        _check_text(subject, target, line)


def _check_text(subject: Subject, target: TargetType, line: dict[str, Any]) -> None:
    """Check the text formats of one line of predictions."""
    for name in target.formats:
        for text in target.text_lines(line, name):
            fits = isinstance(text, str) and "\n" not in text and "\r" not in text
            subject.expect(fits, f"`text_lines` must yield lines without newlines for {name!r}; it yields {text!r}.")


def _check_rows(subject: Subject, target: TargetType, line: dict[str, Any], labels: tuple[str, ...]) -> None:
    """Check the rows of a CSV for one line of predictions."""
    columns = set(target.columns(labels))
    for row in target.rows(line):
        flat = all(value is None or isinstance(value, str | int | float | bool) for value in row.values())
        subject.expect(flat, f"`rows` must yield plain values for a CSV; it yields {row!r}.")
        missing = sorted(row.keys() - columns) if columns else []
        subject.expect(not missing, f"`rows` yields columns that are missing from `columns`: {', '.join(missing)}.")


def _as_json(subject: Subject, value: Any, what: str) -> None:
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        subject.fail(f"{what} must consist of JSON values: {error}. Convert NumPy numbers with float() or int().")
