"""The last stages of a run: evaluate, save and reopen, complete the record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from torch.utils.data import ConcatDataset

from core import report as record
from core import thresholds as limits
from core.config import RunConfig
from core.context import Context
from core.contracts import LoadedModel, Need, Splits, Task
from core.environment import Hardware, peak_memory_mb
from core.errors import Problem, RunError
from core.evaluate import Evaluation, at_thresholds, score, simplest_baseline
from core.evaluate import evaluate as evaluate_split
from core.files import unwritable, write_lines
from core.kinds import BOXES, MULTI, MULTI_THRESHOLD, REGRESSION, SINGLE, targets_of
from core.predicting import largest_difference, predict
from core.registry import load
from core.stages import Ready, eval_batch_size
from core.tables import confusion, per_class

if TYPE_CHECKING:
    from core.kinds import Predictions, Targets

PROBE = 16
"""Test examples whose outputs are compared after saving and loading again."""
PROBE_TOLERANCE = 1e-4


def evaluate(
    ctx: Context, config: RunConfig, model: LoadedModel, need: Need, splits: Splits, ready: Mapping[str, Ready]
) -> float:
    """Choose thresholds, score validation and test with intervals and baselines beside them; write the predictions."""
    model.module.to(ctx.hardware.device)
    labels, target = splits.labels, config.task.target
    val = _evaluated(ctx, config, model, labels, ready["val"])
    chosen = model.thresholds = _thresholds(ctx, config, val.predictions, ready["val"].targets, labels)
    found = {
        "val": at_thresholds(val, ready["val"].targets, config.metrics, labels, target, chosen),
        "test": _evaluated(ctx, config, model, labels, ready["test"], chosen),
    }
    scores: dict[str, Any] = {
        split: _scores(config, each.predictions, ready[split].targets, labels, chosen, each.scores)
        for split, each in found.items()
    }
    ctx.evaluated(ctx.report["training"]["steps"], "test", found["test"].scores)
    scores["baselines"] = _baselines(config, need, splits, ready) if ctx.writes else {}
    ctx.record(scores=scores, tables={split: each.tables for split, each in found.items()})
    predictions = found["test"].predictions
    assert predictions is not None
    ctx.record(**_by_label(config, predictions, ready["test"].targets, labels, chosen))
    if ctx.writes:
        rows = written(config.task, labels, splits.test, predictions, chosen)
        write_lines(ctx.directory / record.PREDICTIONS, rows)
        _draw(ctx, config.task, splits, predictions, chosen)
    value = scores["val"][config.task.primary]["value"]
    return float("nan") if value is None else float(value)


def _draw(ctx: Context, task: Task, splits: Splits, predictions: Predictions, chosen: Sequence[float] | None) -> None:
    """Write a page of test examples with their predictions, where the kind has one, for a person to look at."""
    picture = load().kind(task.kind).picture(splits.test, predictions, splits.labels, chosen)
    if picture is None:
        return
    path = ctx.directory / record.PICTURE
    try:
        picture.save(path)
    except OSError as error:
        raise unwritable(path, error) from error
    ctx.screen.say(f"test: {path.name} in the run's folder shows test images, truth and prediction side by side")


def _evaluated(
    ctx: Context,
    config: RunConfig,
    model: LoadedModel,
    labels: Sequence[str],
    split: Ready,
    chosen: Sequence[float] | None = None,
) -> Evaluation:
    return evaluate_split(
        model, split.prepared, split.targets, config.metrics, labels, config.task.target, ctx.hardware,
        eval_batch_size(config.train), ctx.break_off, chosen,
    )  # fmt: skip


def _thresholds(
    ctx: Context, config: RunConfig, predictions: Predictions | None, targets: Targets, labels: Sequence[str]
) -> tuple[float, ...] | None:
    """Each label's threshold, from validation; None where one half decides. Into the report, and said."""
    target = config.task.target
    if not _chooses(config):
        return None
    assert predictions is not None
    chosen = limits.choose(predictions, targets)
    ctx.record(**{limits.KEY: limits.to_json(chosen, labels, target)})
    span = f"{min(chosen):.3g} to {max(chosen):.3g}" if chosen else "none"
    said = {
        MULTI: f"thresholds: {span}, chosen for each label on validation (while training, one half decided)"
        if any(each != MULTI_THRESHOLD for each in chosen)
        else "thresholds: one half for every label; validation gives no reason for another",
        BOXES: f"threshold: objects count as found from a score of {chosen[0]:.3g}, chosen on validation",
    }
    ctx.screen.say(said[target])
    return chosen


def _chooses(config: RunConfig) -> bool:
    """Whether thresholds are chosen on validation."""
    target = config.task.target
    return target == BOXES or (target == MULTI and config.train.thresholds == "validation")


def _scores(
    config: RunConfig,
    predictions: Predictions | None,
    targets: Targets,
    labels: Sequence[str],
    chosen: Sequence[float] | None = None,
    values: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    assert predictions is not None
    train = config.train
    scored = score(
        config.metrics, predictions, targets, labels, config.task.target, values=values,
        resamples=train.bootstrap_resamples, confidence=train.confidence, seed=config.seed, thresholds=chosen,
    )  # fmt: skip
    return {key: each.to_json() for key, each in scored.items()}


def _by_label(
    config: RunConfig,
    predictions: Predictions,
    targets: Targets,
    labels: Sequence[str],
    chosen: Sequence[float] | None,
) -> dict[str, Any]:
    target = config.task.target
    if target == REGRESSION:
        return {}
    entries: dict[str, Any] = {"per_class": per_class(predictions, targets, labels, target, chosen)}
    return entries | ({"confusion": confusion(predictions, targets, labels)} if target == SINGLE else {})


def written(
    task: Task,
    labels: Sequence[str],
    examples: Sequence[Any],
    predictions: Predictions,
    chosen: Sequence[float] | None = None,
) -> Iterator[dict[str, Any]]:
    """The lines of `predictions.jsonl`: the example, what it is, what was predicted, and where it was read."""
    kind = load().kind(task.kind)
    for index, example in enumerate(examples):
        truth = kind.write_target(example.target, labels, task.target)
        prediction = kind.write(predictions[index], labels, task.target, chosen)
        yield {"index": index, **kind.content(example), "target": truth, **prediction, "place": example.place}


def _baselines(config: RunConfig, need: Need, splits: Splits, ready: Mapping[str, Ready]) -> dict[str, Any]:
    """Scores of the simple peers on the test split; where the model's thresholds are chosen, so are theirs."""
    if not config.train.baselines:
        return {}
    target, labels = config.task.target, splits.labels
    chooses = _chooses(config)
    examples: Any = ConcatDataset([splits.val, splits.test]) if chooses else splits.test  # type: ignore[list-item]
    train = targets_of(splits.train, target, len(labels))
    simplest = simplest_baseline(train, len(examples), labels, target)
    scores = {}
    for peer, predictions in (simplest | config.model.baselines(need, examples)).items():
        first = len(predictions) - len(splits.test)
        chosen = limits.choose(predictions[:first], ready["val"].targets) if chooses else None
        scores[peer] = _scores(config, predictions[first:], ready["test"].targets, labels, chosen)
    return scores


def save_and_reopen(ctx: Context, config: RunConfig, model: LoadedModel, need: Need, splits: Splits) -> None:
    """Write the model, load it again from disk, and compare outputs on a probe batch.

    Raises:
        RunError: The outputs differ, or the folder cannot be written.
    """
    if not ctx.writes:
        return
    folder = ctx.directory / record.MODEL
    try:
        model.save(folder)
    except (OSError, SafetensorError) as error:
        raise unwritable(folder, error) from error
    ctx.report["model"] |= {"saved_bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())}
    probe = [splits.test[index] for index in range(min(PROBE, len(splits.test)))]
    exact = Hardware(ctx.hardware.device, "fp32")
    plain = model.plain()
    before = predict(plain, plain.prepare(probe, train=False), exact, PROBE)
    again = config.method.reopen(config.model, replace(need, saved=folder, train=()))
    again.module.to(ctx.hardware.device)
    after = predict(again, again.prepare(probe, train=False), exact, PROBE)
    gap = largest_difference(before, after)
    ctx.record(
        self_test={"examples": len(probe), "largest_difference": gap, "passed": gap <= PROBE_TOLERANCE},
    )
    if not gap <= PROBE_TOLERANCE:
        message = f"the saved model, loaded again, gives other outputs (largest difference {gap:.2e})."
        raise RunError(Problem(str(folder), message, "Do not use it. Please report this with report.json."))


def finish(ctx: Context, config: RunConfig, unsure: list[str]) -> None:
    """Complete the report, print the summary, and remove what only a resume needs."""
    ctx.record(
        status="completed",
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        memory=ctx.report.get("memory", {}) | {"peak_mb": peak_memory_mb(ctx.hardware.device)},
        nondeterministic_kernels=unsure,
    )
    if not ctx.writes:
        return
    if not config.train.keep_checkpoints:
        ctx.checkpoints.remove()
    ctx.notify("run_ended", report=ctx.report)
    note = ctx.report["model"]["provenance"]["note"]
    with suppress(BrokenPipeError, SystemExit):  # nobody reads the summary (rich then exits); the run has ended well
        record.show(ctx.report, ctx.screen, _short(ctx.directory))
        if ctx.report["init"] == "scratch" and note:
            ctx.screen.banner(note)


def _short(path: Path) -> Path:
    """Relative to where the person is, where that is shorter."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
