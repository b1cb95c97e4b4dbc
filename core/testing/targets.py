"""What a target type must do: encode, stack, score, write and compare its own samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.issues import RowIssue
from core.tasks.targets.target import ResultTable, TargetType
from core.tasks.task import Task
from core.testing.expect import Subject
from core.testing.samples import LABELS

if TYPE_CHECKING:
    from core.tasks.targets.target import Predictions, Targets

N = 60
TRAIN_OPTIONS = {"class_weights", "label_smoothing", "thresholds"}
REPORT_ENTRIES = frozenset(
    {
        "choices", "command", "confidence", "config", "data", "ended", "environment", "error", "init", "memory",
        "model", "name", "nondeterministic_kernels", "primary", "resumed", "schema", "scores", "seconds",
        "self_test", "started", "status", "table_titles", "tables", "thresholds", "train", "training",
    }
)  # fmt: skip
"""The entries of `report.json` that are Graft's own: no table of a target type may bear their names."""


def check_target_type(target: TargetType, labels: Sequence[str] = LABELS) -> None:
    """Check a target type on its own samples.

    Samples are valid and stack into [n, ...]; labels lie within range; logits give one finite loss per example, with a
    gradient, and valid predictions; thresholds, baselines and tables have the shapes that the run expects; everything
    that is written is JSON; and predictions do not differ from themselves.

    Args:
        target: The target type.
        labels: Label names, where it has labels.

    Raises:
        AssertionError: What is wrong, and what would put it right.
    """
    subject = Subject(f"target type {target.name}")
    names = tuple(labels) if target.has_labels else ()
    samples = target.samples(N, names)
    truth = _check_targets(subject, target, samples, names)
    if target.from_logits():
        _check_logits(subject, target, truth, names)
    guesses = target.sample_predictions(truth, names, 1)
    _check_options(subject, target, truth, guesses, names)
    _check_scores(subject, target, truth, guesses, names)
    _check_written(subject, target, samples, guesses, names)


def _check_targets(subject: Subject, target: TargetType, samples: list[Any], labels: tuple[str, ...]) -> Targets:
    subject.expect(len(samples) == N, f"`samples` must give {N} targets; it gives {len(samples)}.")
    for sample in samples:
        problem = target.target_problem(sample, labels)
        subject.expect(not problem, f"`target_problem` says that its own sample {sample!r} {problem}.")
        for label in target.labels_of(sample):
            subject.expect(0 <= label < len(labels), f"`labels_of({sample!r})` names label {label} of {len(labels)}.")
        _as_json(subject, target.write_target(sample, labels), "`write_target`")
    subject.expect(target.target_problem(object(), labels), "`target_problem` must name what is wrong with any object.")
    truth = target.stack(samples, labels)
    subject.expect(len(truth) == N, f"`stack` must give an array [n, ...]; its length is {len(truth)}, not {N}.")
    kind = "objects" if target.objects else "numbers"
    subject.expect(
        (truth.dtype == object) == target.objects, f"`objects` is {target.objects}; `stack` must give {kind}."
    )
    strata = target.strata(samples)
    fits = isinstance(strata, np.ndarray) and strata.shape == (N,) and strata.dtype == np.int64
    subject.expect(fits, "`strata` must give int64 [n].")
    encoder = target.encoder(Task(target=target.name))
    subject.expect(isinstance(encoder.add(None), RowIssue), "the encoder's `add` must say what is wrong with None.")
    return truth


def _check_logits(subject: Subject, target: TargetType, truth: Targets, labels: tuple[str, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(N, target.outputs(labels), generator=generator).requires_grad_()
    losses = target.losses(logits, torch.from_numpy(truth))
    fits = losses.shape == (N,) and losses.dtype == torch.float32
    subject.expect(fits, f"`losses` must be float32 [b]; they are {losses.dtype} {list(losses.shape)}.")
    subject.expect(
        bool(torch.isfinite(losses).all()) and losses.requires_grad, "`losses` must be finite with a gradient."
    )
    alone = torch.cat(
        [target.losses(logits[row : row + 1], torch.from_numpy(truth[row : row + 1])) for row in range(5)]
    )
    subject.expect_equal(alone, losses[:5], "the loss of an example depends on the others in its batch.", 1e-6)
    problem = target.problem(target.predictions(logits).detach().numpy(), N, labels)
    subject.expect(not problem, f"`predictions` {problem}")


def _check_options(
    subject: Subject, target: TargetType, truth: Targets, guesses: Predictions, labels: tuple[str, ...]
) -> None:
    unknown = sorted(target.train_options - TRAIN_OPTIONS)
    subject.expect(
        not unknown, f"`train_options` may hold {', '.join(sorted(TRAIN_OPTIONS))}, not {', '.join(unknown)}."
    )
    if "class_weights" in target.train_options:
        weights = target.class_weights(truth, labels)
        fits = len(weights) == len(labels) and all(weight > 0 for weight in weights)
        subject.expect(fits, f"`class_weights` must give a weight above 0 for each label; it gives {weights!r}.")
    chosen = target.choose_thresholds(guesses, truth)
    subject.expect((chosen is not None) == target.has_thresholds, "`has_thresholds` and `choose_thresholds` disagree.")
    if chosen is not None:
        names = target.threshold_names(labels)
        subject.expect(len(chosen) == len(names), f"{len(chosen)} thresholds have {len(names)} names.")
        subject.expect(target.describe_thresholds(chosen), "`describe_thresholds` must give a sentence.")
        decided = target.decide(guesses, chosen)
        subject.expect(len(decided) == N, f"`decide` must give {N} decisions; it gives {len(decided)}.")


def _check_scores(
    subject: Subject, target: TargetType, truth: Targets, guesses: Predictions, labels: tuple[str, ...]
) -> None:
    for what, values in (("random", guesses), ("perfect", target.sample_predictions(truth, labels, 1, perfect=True))):
        problem = target.problem(values, N, labels)
        subject.expect(not problem, f"`problem` says that its own {what} predictions are wrong: {problem}")
    for name, values in target.baseline(truth, 7, labels).items():
        problem = target.problem(values, 7, labels)
        subject.expect(not problem, f"the baseline {name} {problem}")
    gap = target.difference(guesses, guesses)
    subject.expect(gap == 0, f"`difference` of predictions and themselves is {gap}.")
    other = target.difference(guesses, target.sample_predictions(truth, labels, 2))
    subject.expect(other > 0, "`difference` of two draws of random predictions is 0.")
    thresholds = target.choose_thresholds(guesses, truth)
    for key, table in target.tables(guesses, truth, labels, thresholds).items():
        subject.expect(isinstance(table, ResultTable), f"the table {key!r} must be a ResultTable, not {table!r}.")
        subject.expect(key not in REPORT_ENTRIES, f"the table {key!r} has the name of an entry of report.json.")
        _as_json(subject, table.content, f"the table {key!r}")
        rows = not table.title or all(isinstance(row, dict) for row in table.content)
        subject.expect(rows, f"the table {key!r} has a title, so its content must be rows: a list of dicts.")


def _check_written(
    subject: Subject, target: TargetType, samples: list[Any], guesses: Predictions, labels: tuple[str, ...]
) -> None:
    columns = set(target.columns(labels))
    for prediction in guesses:
        line = target.write(prediction, labels)
        _as_json(subject, line, "`write`")
        for row in target.rows(line):
            flat = all(value is None or isinstance(value, str | int | float | bool) for value in row.values())
            subject.expect(flat, f"`rows` must give plain values for a CSV; it gives {row!r}.")
            missing = sorted(row.keys() - columns) if columns else []
            subject.expect(not missing, f"`rows` gives columns that `columns` lacks: {', '.join(missing)}.")


def _as_json(subject: Subject, value: Any, what: str) -> None:
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        subject.fail(f"{what} must give JSON values: {error}.")
