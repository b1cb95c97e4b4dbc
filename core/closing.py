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
from core.config import RunConfig
from core.context import Context
from core.contracts import LoadedModel, Need, Splits
from core.environment import Hardware, peak_memory_mb
from core.errors import Problem, RunError
from core.evaluate import Scoring, at_thresholds, score
from core.files import unwritable, write_lines
from core.intervals import Bootstrap
from core.kinds.output import OutputSpec
from core.predicting import predict
from core.registry import load
from core.stages import Ready, evaluated

if TYPE_CHECKING:
    from core.kinds.targets.target import Predictions, Targets

PROBE = 16
"""Test examples whose outputs are compared after saving and loading again."""
PROBE_TOLERANCE = 1e-4


def evaluate(
    ctx: Context, config: RunConfig, model: LoadedModel, need: Need, splits: Splits, ready: Mapping[str, Ready]
) -> float:
    """Choose thresholds, score validation and test with intervals and baselines beside them; write the predictions."""
    model.module.to(ctx.hardware.device)
    output, val, test = need.output, ready["val"], ready["test"]
    scoring = Scoring(config.metrics, output)
    found = evaluated(ctx, config.train, model, val, scoring)
    assert found.predictions is not None
    model.thresholds = _thresholds(ctx, config, output, found.predictions, val.targets)
    scoring = replace(scoring, thresholds=model.thresholds)
    evaluations = {
        "val": at_thresholds(found, val.targets, scoring),
        "test": evaluated(ctx, config.train, model, test, scoring),
    }
    scores: dict[str, Any] = {
        split: _scores(config, scoring, each.predictions, ready[split].targets, each.scores)
        for split, each in evaluations.items()
    }
    ctx.evaluated(ctx.report["training"]["steps"], "test", evaluations["test"].scores)
    scores["baselines"] = _baselines(config, need, splits, ready) if ctx.writes else {}
    ctx.record(scores=scores, tables={split: each.tables for split, each in evaluations.items()})
    predictions = evaluations["test"].predictions
    assert predictions is not None
    _record_tables(ctx, output, predictions, test.targets, scoring.thresholds)
    if ctx.writes:
        rows = written(output, splits.test, predictions, scoring.thresholds)
        write_lines(ctx.directory / record.PREDICTIONS, rows)
        _draw(ctx, output, splits, predictions, scoring.thresholds)
    value = scores["val"][config.task.primary]["value"]
    return float("nan") if value is None else float(value)


def _draw(
    ctx: Context, output: OutputSpec, splits: Splits, predictions: Predictions, chosen: Sequence[float] | None
) -> None:
    """Write a page of test examples with their predictions, if the task type draws one, for a person to look at."""
    picture = load().kind(output.task.kind).picture(splits.test, predictions, output.labels, chosen)
    if picture is None:
        return
    path = ctx.directory / record.PICTURE
    try:
        picture.save(path)
    except OSError as error:
        raise unwritable(path, error) from error
    ctx.screen.say(f"test: {path.name} in the run's folder shows test images, truth and prediction side by side")


def _thresholds(
    ctx: Context, config: RunConfig, output: OutputSpec, predictions: Predictions, targets: Targets
) -> tuple[float, ...] | None:
    """Choose thresholds on validation, record and show them; None where none are chosen."""
    if not _chooses(config, output):
        return None
    chosen = output.target.choose_thresholds(predictions, targets)
    if chosen is not None:
        ctx.record(thresholds=output.name_thresholds(chosen))
        ctx.screen.say(output.target.describe_thresholds(chosen))
    return chosen


def _chooses(config: RunConfig, output: OutputSpec) -> bool:
    """Whether thresholds are chosen on validation."""
    return output.target.has_thresholds and config.train.thresholds == "validation"


def _scores(
    config: RunConfig,
    scoring: Scoring,
    predictions: Predictions | None,
    targets: Targets,
    values: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    assert predictions is not None
    scored = score(scoring, predictions, targets, Bootstrap.for_run(config), values)
    return {key: each.to_json() for key, each in scored.items()}


def _record_tables(
    ctx: Context, output: OutputSpec, predictions: Predictions, targets: Targets, chosen: Sequence[float] | None
) -> None:
    """Record the target type's tables of the test split, and under which titles the summary shows them."""
    tables = output.target.tables(predictions, targets, output.labels, chosen)
    titles = {key: table.title for key, table in tables.items() if table.title}
    ctx.record(**{key: table.content for key, table in tables.items()}, table_titles=titles)


def written(
    output: OutputSpec, examples: Sequence[Any], predictions: Predictions, chosen: Sequence[float] | None = None
) -> Iterator[dict[str, Any]]:
    """The lines of `predictions.jsonl`: the example, its target, the prediction, and where the example was read."""
    kind, target, labels = load().kind(output.task.kind), output.target, output.labels
    for index, example in enumerate(examples):
        truth = None if example.target is None else target.write_target(example.target, labels)
        prediction = target.write(predictions[index], labels, chosen, example)
        yield {"index": index, **kind.content(example), "target": truth, **prediction, "place": example.place}


def _baselines(config: RunConfig, need: Need, splits: Splits, ready: Mapping[str, Ready]) -> dict[str, Any]:
    """Scores of simple baselines on the test split; if the model's thresholds are chosen, so are theirs."""
    if not config.train.baselines:
        return {}
    output = need.output
    chooses = _chooses(config, output)
    examples: Any = ConcatDataset([splits.val, splits.test]) if chooses else splits.test  # type: ignore[list-item]
    simplest = output.target.baseline(output.targets_of(splits.train), len(examples), output.labels)
    scores = {}
    for name, predictions in (simplest | config.model.baselines(need, examples)).items():
        first = len(predictions) - len(splits.test)
        chosen = output.target.choose_thresholds(predictions[:first], ready["val"].targets) if chooses else None
        scoring = Scoring(config.metrics, output, chosen)
        scores[name] = _scores(config, scoring, predictions[first:], ready["test"].targets)
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
    gap = need.output.target.difference(after, before)
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
