"""The stage that chooses thresholds and scores the model and its baselines on the test split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch.utils.data import ConcatDataset

from core.contracts.components import RunConfig
from core.contracts.model import LoadedModel, LoadRequest
from core.contracts.splits import Splits
from core.evaluation.bootstrap import Bootstrap
from core.evaluation.scoring import Scoring, at_thresholds, score
from core.files import unwritable, write_lines
from core.registry.registry import load_registry
from core.reporting.run_directory import PICTURE, PREDICTIONS
from core.runs.context import Context
from core.runs.prepare import PreparedSplit
from core.runs.split_scores import evaluated
from core.tasks.output import OutputSpec

if TYPE_CHECKING:
    from core.tasks.targets.target import Predictions, Targets


def evaluate(
    ctx: Context,
    config: RunConfig,
    model: LoadedModel,
    request: LoadRequest,
    splits: Splits,
    ready: Mapping[str, PreparedSplit],
) -> float:
    """Choose thresholds, score validation and test with intervals and baselines beside them; write the predictions."""
    model.module.to(ctx.hardware.device)
    output, val, test = request.output, ready["val"], ready["test"]
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
    scores["baselines"] = _baselines(config, request, splits, ready) if ctx.writes else {}
    ctx.record(scores=scores, tables={split: each.tables for split, each in evaluations.items()})
    predictions = evaluations["test"].predictions
    assert predictions is not None
    _record_tables(ctx, output, predictions, test.targets, scoring.thresholds)
    if ctx.writes:
        rows = written(output, splits.test, predictions, scoring.thresholds)
        write_lines(ctx.directory / PREDICTIONS, rows)
        _draw(ctx, output, splits, predictions, scoring.thresholds)
    value = scores["val"][config.task.primary]["value"]
    return float("nan") if value is None else float(value)


def _draw(
    ctx: Context, output: OutputSpec, splits: Splits, predictions: Predictions, chosen: Sequence[float] | None
) -> None:
    """Write a page of test examples with their predictions, if the task type draws one, for a person to look at."""
    picture = load_registry().task_type(output.task.type).picture(splits.test, predictions, output.labels, chosen)
    if picture is None:
        return
    path = ctx.directory / PICTURE
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
    task_type, target, labels = load_registry().task_type(output.task.type), output.target, output.labels
    for index, example in enumerate(examples):
        truth = None if example.target is None else target.write_target(example.target, labels)
        prediction = target.write(predictions[index], labels, chosen, example)
        yield {"index": index, **task_type.content(example), "target": truth, **prediction, "place": example.place}


def _baselines(
    config: RunConfig, request: LoadRequest, splits: Splits, ready: Mapping[str, PreparedSplit]
) -> dict[str, Any]:
    """Scores of simple baselines on the test split; if the model's thresholds are chosen, so are theirs."""
    if not config.train.baselines:
        return {}
    output = request.output
    chooses = _chooses(config, output)
    examples: Any = ConcatDataset([splits.val, splits.test]) if chooses else splits.test  # type: ignore[list-item]
    simplest = output.target.baseline(output.targets_of(splits.train), len(examples), output.labels)
    scores = {}
    for name, predictions in (simplest | config.model.baselines(request, examples)).items():
        first = len(predictions) - len(splits.test)
        chosen = output.target.choose_thresholds(predictions[:first], ready["val"].targets) if chooses else None
        scoring = Scoring(config.metrics, output, chosen)
        scores[name] = _scores(config, scoring, predictions[first:], ready["test"].targets)
    return scores
