"""The command `evaluate`: score a finished run on its test split or on other data."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.config.presets import PresetFolders
from core.contracts.components import DataAdapter, RunConfig
from core.contracts.splits import Splits
from core.errors import ConfigError, DataError, Problem
from core.files import clean
from core.inference.predictor import Predictor
from core.reporting import report as record
from core.reporting.summary import cell, resampled


def evaluate_command(arguments: Sequence[str], folders: PresetFolders) -> int:
    """Score a run's model on its own test split, or on other data."""
    parser = argparse.ArgumentParser(
        "graft evaluate",
        description="Score a run's model on its own test split, or on other data (data=…, data.path=…).",
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument(
        "data", nargs="*", help="options of other labeled data (data=…, data.KEY=…); all its splits are scored"
    )
    parser.add_argument(
        "--split", choices=("train", "val", "test", "all"), help="split to score (default: test, or all of other data)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_intermixed_args(arguments)
    predictor = Predictor.open(args.run)
    config = replace(predictor.config, data=other_data(predictor.config, args.data, folders))
    task = replace(config.task, labels=list(predictor.labels) or None)
    splits = config.data.load(task, config.seed)
    fingerprint = record.read(args.run)["data"]["fingerprint"]
    if not args.data and splits.fingerprint != fingerprint:
        cure = "Restore the data, or give it as other data with data.path=… (then all its splits are scored)."
        raise DataError(
            Problem(str(args.run), "the data has changed since this run; its test split is not the same.", cure)
        )
    chosen = args.split or ("all" if args.data else "test")
    result = _score(predictor, config, splits, chosen)
    if result["groups"] == 1 and config.train.bootstrap_resamples:
        sys.stderr.write("all examples are of one group: scores have no confidence intervals\n")
    if args.json:
        sys.stdout.write(json.dumps(clean(result), indent=2) + "\n")
        return 0
    from core.reporting.console import Screen

    rows = [[key, cell(score)] for key, score in result["scores"].items()]
    title = f"{args.run}: {result['examples']} examples ({chosen})"
    if words := resampled(result["groups"], result["scores"]):
        title += f", intervals{words}"
    Screen().table(title, ["metric", "score"], rows)
    return 0


def other_data(config: RunConfig, arguments: Sequence[str], folders: PresetFolders) -> DataAdapter:
    """Return the run's data adapter with overrides `data=…` and `data.KEY=…`, parsed as for a training run.

    Raises:
        ConfigError: An override is not of `data`, sets an option that the adapter does not have, or names an adapter
            for other task types.
    """
    others = [word for word in arguments if not word.startswith(("data=", "data."))]
    if others:
        cure = "`evaluate` accepts data=… and data.KEY=… only."
        raise ConfigError(*(Problem(word, "is not an option of `data`.", cure) for word in others))
    if not arguments:
        return config.data
    from core.config import compose
    from core.config.validation import task_type_problems

    if any(word.startswith("data=") for word in arguments):
        task = [f"task={config.task.name}"] if config.task.name in folders.names("task") else []
        data = compose.resolve([*task, f"task.type={config.task.type}", *arguments], folders=folders).data
        if problems := list(task_type_problems("data", data, config.task.type)):
            raise ConfigError(*problems)
        return data
    return compose.with_overrides("data", config.data, arguments)


def _score(predictor: Predictor, config: RunConfig, splits: Splits, chosen: str) -> dict[str, Any]:
    from core.evaluation.bootstrap import Bootstrap
    from core.evaluation.scoring import Scoring, score

    names = ("train", "val", "test") if chosen == "all" else (chosen,)
    examples = [example for name in names for example in getattr(splits, name)]
    scoring = Scoring(config.metrics, predictor.output, predictor.thresholds)
    targets = predictor.output.targets_of(examples)
    groups = splits.groups_of(*names)
    scores = score(scoring, predictor.raw(examples), targets, Bootstrap.for_run(config, groups))
    return {
        "examples": len(examples),
        "groups": None if groups is None else len(set(groups.tolist())),
        "split": chosen,
        "fingerprint": splits.fingerprint,
        "scores": {key: each.to_json() for key, each in scores.items()},
    }
