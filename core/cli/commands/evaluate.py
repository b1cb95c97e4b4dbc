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
from core.reporting.summary import cell


def evaluate_command(words: Sequence[str], folders: PresetFolders) -> int:
    """Score a run's model on its own test split, or on other data."""
    parser = argparse.ArgumentParser(
        "graft evaluate",
        description="Score a run's model on its own test split, or on other data (data=…, data.path=…).",
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument(
        "data", nargs="*", help="options of other labeled data (data=…, data.KEY=…); all of it is scored"
    )
    parser.add_argument(
        "--split", choices=("train", "val", "test", "all"), help="split to score (default: test, or all of other data)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_intermixed_args(words)
    predictor = Predictor.open(asked.run)
    config = replace(predictor.config, data=other_data(predictor.config, asked.data, folders))
    task = replace(config.task, labels=list(predictor.labels) or None)
    splits = config.data.load(task, config.seed)
    known = record.read(asked.run)["data"]["fingerprint"]
    if not asked.data and splits.fingerprint != known:
        cure = "Put it back, or name it as other data: data.path=… (then all of it is scored)."
        raise DataError(
            Problem(str(asked.run), "the data has changed since this run; its test split is not the same.", cure)
        )
    chosen = asked.split or ("all" if asked.data else "test")
    found = _scored(predictor, config, splits, chosen)
    if asked.json:
        sys.stdout.write(json.dumps(clean(found), indent=2) + "\n")
        return 0
    from core.reporting.console import Screen

    rows = [[key, cell(score)] for key, score in found["scores"].items()]
    Screen().table(f"{asked.run}: {found['examples']} examples ({chosen})", ["metric", "score"], rows)
    return 0


def other_data(config: RunConfig, words: Sequence[str], folders: PresetFolders) -> DataAdapter:
    """The run's data adapter, changed by `data=…` and `data.KEY=…`, which are read as for a training run.

    Raises:
        ConfigError: A word sets something else, or an option that the adapter lacks.
    """
    strange = [word for word in words if not word.startswith(("data=", "data."))]
    if strange:
        cure = "evaluate takes data=… and data.KEY=… only."
        raise ConfigError(*(Problem(word, "is not an option of `data`.", cure) for word in strange))
    if not words:
        return config.data
    from core.config import compose

    if any(word.startswith("data=") for word in words):
        return compose.resolve(
            [f"task={config.task.name}"] * bool(config.task.name) + list(words), folders=folders
        ).data
    changed: DataAdapter = compose.changed("data", config.data, words)
    return changed


def _scored(predictor: Predictor, config: RunConfig, splits: Splits, chosen: str) -> dict[str, Any]:
    from core.evaluation.bootstrap import Bootstrap
    from core.evaluation.scoring import Scoring, score

    names = ("train", "val", "test") if chosen == "all" else (chosen,)
    examples = [example for name in names for example in getattr(splits, name)]
    scoring = Scoring(config.metrics, predictor.output, predictor.thresholds)
    targets = predictor.output.targets_of(examples)
    scores = score(scoring, predictor.raw(examples), targets, Bootstrap.for_run(config))
    return {
        "examples": len(examples),
        "split": chosen,
        "fingerprint": splits.fingerprint,
        "scores": {key: each.to_json() for key, each in scores.items()},
    }
