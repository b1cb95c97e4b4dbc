"""Choose thresholds, score the model and its baselines, and write the test predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch.utils.data import ConcatDataset

from core.contracts.components import RunConfig
from core.contracts.model import LoadedModel, LoadRequest
from core.contracts.splits import Splits
from core.errors import PluginError, Problem
from core.evaluation.bootstrap import Bootstrap
from core.evaluation.scoring import Scoring, at_thresholds, score
from core.files import unwritable, write_lines
from core.reporting.report import REPORT_ENTRIES
from core.reporting.run_directory import PICTURE, PREDICTIONS
from core.runs.context import Context
from core.runs.prepare import PreparedSplit
from core.runs.split_scores import evaluate_split
from core.tasks.output import OutputSpec

if TYPE_CHECKING:
    from core.tasks.targets.target import Predictions, Targets


def evaluate(
    ctx: Context,
    config: RunConfig,
    model: LoadedModel,
    request: LoadRequest,
    splits: Splits,
    prepared_splits: Mapping[str, PreparedSplit],
) -> float:
    """Choose thresholds, score validation and test with intervals, score baselines, and write the predictions.

    Returns:
        The primary metric on the validation split.
    """
    model.module.to(ctx.hardware.device)
    output, val, test = request.output, prepared_splits["val"], prepared_splits["test"]
    scoring = Scoring(config.metrics, output)
    validation = evaluate_split(ctx, config.train, model, val, scoring)
    assert validation.predictions is not None
    # Thresholds come from validation only, so that the test scores are not biased.
    model.thresholds = _choose_thresholds(ctx, config, output, validation.predictions, val.targets)
    scoring = replace(scoring, thresholds=model.thresholds)
    evaluations = {
        "val": at_thresholds(validation, val.targets, scoring),
        "test": evaluate_split(ctx, config.train, model, test, scoring),
    }
    scores: dict[str, Any] = {
        split: _score_with_intervals(
            scoring,
            each.predictions,
            prepared_splits[split].targets,
            Bootstrap.for_run(config, splits.groups_of(split)),
            each.scores,
        )
        for split, each in evaluations.items()
    }
    ctx.evaluated(ctx.report["training"]["steps"], "test", evaluations["test"].scores)
    scores["baselines"] = _score_baselines(config, request, splits, prepared_splits) if ctx.writes else {}
    ctx.record(scores=scores, tables={split: each.tables for split, each in evaluations.items()})
    predictions = evaluations["test"].predictions
    assert predictions is not None
    _record_tables(ctx, output, predictions, test.targets, scoring.thresholds)
    if ctx.writes:
        rows = prediction_lines(output, splits.test, predictions, scoring.thresholds)
        write_lines(ctx.directory / PREDICTIONS, rows)
        _draw(ctx, output, splits, predictions, scoring.thresholds)
    value = scores["val"][config.task.primary]["value"]
    return float("nan") if value is None else float(value)


def _draw(
    ctx: Context, output: OutputSpec, splits: Splits, predictions: Predictions, chosen: Sequence[float] | None
) -> None:
    """Write a picture of test examples with their predictions, if the task type can draw one."""
    picture = output.task_type.picture(splits.test, predictions, output.labels, chosen)
    if picture is None:
        return
    path = ctx.directory / PICTURE
    try:
        picture.save(path)
    except OSError as error:
        raise unwritable(path, error) from error
    ctx.screen.say(
        f"test: {path.name} in the run's folder shows test images, with targets and predictions side by side"
    )


def _choose_thresholds(
    ctx: Context, config: RunConfig, output: OutputSpec, predictions: Predictions, targets: Targets
) -> tuple[float, ...] | None:
    """Choose thresholds on validation, record and print them; return None if none are chosen."""
    if not _has_chosen_thresholds(config, output):
        return None
    chosen = output.target.choose_thresholds(predictions, targets)
    if chosen is not None:
        ctx.record(thresholds=output.name_thresholds(chosen))
        ctx.screen.say(output.target.describe_thresholds(chosen))
    return chosen


def _has_chosen_thresholds(config: RunConfig, output: OutputSpec) -> bool:
    """Return whether thresholds are chosen on validation."""
    return output.target.has_thresholds and config.train.thresholds == "validation"


def _score_with_intervals(
    scoring: Scoring,
    predictions: Predictions | None,
    targets: Targets,
    bootstrap: Bootstrap,
    values: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return the scores with intervals as JSON values; `values` are scores that are known already."""
    assert predictions is not None
    scored = score(scoring, predictions, targets, bootstrap, values)
    return {key: each.to_json() for key, each in scored.items()}


def _record_tables(
    ctx: Context, output: OutputSpec, predictions: Predictions, targets: Targets, chosen: Sequence[float] | None
) -> None:
    """Record the target type's tables for the test split, and the titles that the summary prints.

    Raises:
        PluginError: A table has the name of an entry of the report.
    """
    tables = output.target.tables(predictions, targets, output.labels, chosen)
    if taken := sorted(tables.keys() & REPORT_ENTRIES):
        message = f"returns a table {taken[0]!r}, but report.json has an entry of this name."
        raise PluginError(Problem(f"target type {output.target.name}", message, "Give the table another name."))
    titles = {key: table.title for key, table in tables.items() if table.title}
    ctx.record(**{key: table.content for key, table in tables.items()}, table_titles=titles)


def prediction_lines(
    output: OutputSpec, examples: Sequence[Any], predictions: Predictions, chosen: Sequence[float] | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the lines of `predictions.jsonl`: the example, its target, the prediction, and the example's place."""
    target, labels = output.target, output.labels
    for index, example in enumerate(examples):
        truth = None if example.target is None else target.write_target(example.target, labels, example)
        prediction = target.write(predictions[index], labels, chosen, example)
        yield {
            "index": index,
            **output.task_type.content(example),
            "target": truth,
            **prediction,
            "place": example.place,
        }


def _score_baselines(
    config: RunConfig, request: LoadRequest, splits: Splits, prepared_splits: Mapping[str, PreparedSplit]
) -> dict[str, Any]:
    """Return the scores of simple baselines on the test split; thresholds are chosen as for the model."""
    if not config.train.baselines:
        return {}
    output = request.output
    has_thresholds = _has_chosen_thresholds(config, output)
    examples: Any = ConcatDataset([splits.val, splits.test]) if has_thresholds else splits.test  # type: ignore[list-item]
    simplest = output.target.baseline(output.targets_of(splits.train), examples, output.labels)
    val_targets, test_targets = prepared_splits["val"].targets, prepared_splits["test"].targets
    bootstrap = Bootstrap.for_run(config, splits.groups_of("test"))
    scores = {}
    for name, predictions in (simplest | config.model.baselines(request, examples)).items():
        first = len(predictions) - len(splits.test)  # with thresholds, the examples of validation come first
        validation, test = predictions[:first], predictions[first:]
        chosen = output.target.choose_thresholds(validation, val_targets) if has_thresholds else None
        scores[name] = _score_with_intervals(Scoring(config.metrics, output, chosen), test, test_targets, bootstrap)
    return scores
