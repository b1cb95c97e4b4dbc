"""A finished run put to use: opening its model, predicting, and evaluating it on other data."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from core import report as record
from core.cache import keep_caches_of_others
from core.config import RunConfig
from core.contracts import DataAdapter, LoadedModel, Need, Splits
from core.environment import Hardware
from core.errors import ConfigError, DataError, Problem, RunError
from core.files import clean
from core.inputs import Inputs
from core.kinds import Kind, OutputSpec
from core.outputs import Pictures, opened, write_csv, write_jsonl
from core.presets import PresetFolders
from core.registry import load
from core.requests import need_for_saved
from core.saved import read_config

CHUNK = 512
"""Examples that are read, predicted and written at a time, so that an endless input streams through."""


@dataclass
class Predictor:
    """The model of a finished run, ready to predict. `Predictor.open(run)`, then `predict(examples)`.

    Attributes:
        config: The run's configuration.
        model: Its model, loaded from `model/`.
        output: What it predicts: its task, label names and target type.
        kind: The kind of its task.
        hardware: Where it computes.
        need: What its loader was told.
        thresholds: What the target type chose on the validation split; None where nothing was chosen.
    """

    config: RunConfig
    model: LoadedModel
    output: OutputSpec
    kind: Kind
    hardware: Hardware
    need: Need
    thresholds: tuple[float, ...] | None = None

    @classmethod
    def open(cls, run: Path | str) -> Predictor:
        """Open a run's folder.

        Raises:
            RunError: It is not a run's, or the run has not ended well.
        """
        keep_caches_of_others()
        folder = Path(run)
        report = record.read(folder)
        if report["status"] != "completed":
            cure = f"python -m core resume {folder}"
            raise RunError(Problem(str(folder), f"has no finished model: its status is {report['status']}.", cure))
        config = read_config(folder / record.CONFIG)
        hardware = Hardware.resolve(config.train)
        output = load().output(config.task, report["data"]["labels"])
        need = need_for_saved(config, hardware, folder / record.MODEL, output, report["data"]["fingerprint"])
        model = config.method.reopen(config.model, need)
        model.module.to(hardware.device).eval()
        thresholds = output.read_thresholds(report.get("thresholds"))
        return cls(config, model, output, load().kind(config.task.kind), hardware, need, thresholds)

    def raw(self, examples: Sequence[Any]) -> Any:
        """Return predictions as an array [n, ...], as the target type defines them."""
        from core.predicting import predict
        from core.stages import eval_batch_size

        prepared = self.model.prepare(examples, train=False)
        return predict(self.model, prepared, self.hardware, eval_batch_size(self.config.train))

    def predict(self, examples: Iterable[Any]) -> Iterator[dict[str, Any]]:
        """Predictions as JSON values, in order: the example, its label or labels with probabilities, or its value."""
        return (self.written(example, prediction) for example, prediction in self.pairs(examples))

    def pairs(self, examples: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        """Each example with its prediction as `raw` gives it, in order."""
        stream = iter(examples)
        while chunk := list(islice(stream, CHUNK)):
            yield from zip(chunk, self.raw(chunk), strict=True)

    def written(self, example: Any, prediction: Any) -> dict[str, Any]:
        """One prediction as JSON values, with its example."""
        written = self.output.target.write(prediction, self.labels, self.thresholds, example)
        return {**self.kind.content(example), **written}

    def rows(self, line: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a CSV that a written prediction becomes."""
        return self.output.target.rows(line)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names."""
        return self.output.labels


def predict_verb(words: Sequence[str], folders: PresetFolders) -> int:
    """Label texts or images, or find objects, from the command line, a file, or standard input."""
    parser = argparse.ArgumentParser(
        "graft predict",
        description="Label texts or images, or find objects, whatever the run learned: from the command line, a file, "
        "or standard input (one a line).",
    )
    parser.add_argument("run", help="the run's folder")
    parser.add_argument(
        "input",
        nargs="*",
        help='texts, or JSON objects such as {"text": …, "pair": …}; or image files, folders of them, globs in quotes',
    )
    parser.add_argument("--file", type=Path, help="a file in the format of the run's data adapter (CSV, JSON Lines, …)")
    parser.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="how to write (jsonl)")
    parser.add_argument("--output", type=Path, help="write to this file, not to standard output")
    parser.add_argument(
        "--with", dest="others", action="append", default=[], type=Path, metavar="RUN",
        help="also ask this run, whose base is the same and is held in memory once; may be repeated",
    )  # fmt: skip
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="also draw the objects found in each image here")
    asked = parser.parse_intermixed_args(words)
    if asked.file and asked.input:
        raise DataError(Problem("predict", "give inputs or --file, not both."))
    if asked.file and not asked.file.is_file():
        raise DataError(Problem(str(asked.file), "there is no such file.", "Check the path after --file."))
    if asked.others and asked.pictures:
        raise DataError(Problem("--pictures", "draws what one run found.", "Leave out --with."))
    from core import several

    runs = [Path(asked.run), *asked.others]
    predictors = several.open_together(runs)
    predictor = predictors[0]
    inputs = Inputs(predictor.kind)
    if asked.file:
        examples: Iterable[Any] = predictor.config.data.unlabelled(predictor.config.task, asked.file)
    else:
        examples = inputs.read(asked.input or (line.rstrip("\n") for line in sys.stdin))
    pictures = None
    if asked.pictures:
        pictures = Pictures(asked.pictures, predictor.kind, predictor.labels, predictor.thresholds)
    with opened(asked.output) as out:
        usable = inputs.usable(examples)
        alone = len(runs) == 1
        lines = _written(predictor, usable, pictures) if alone else several.answers(runs, predictors, usable)
        if asked.format == "csv":
            rows = (row for by, line in lines for row in by.rows(line))
            write_csv(rows, out, predictor.output.target.columns(predictor.labels) if alone else ())
        else:
            write_jsonl((line for _, line in lines), out)
    inputs.refuse_rest()
    return 0


def _written(
    predictor: Predictor, examples: Iterable[Any], pictures: Pictures | None
) -> Iterator[tuple[Predictor, dict[str, Any]]]:
    """Predictions as JSON values, each with its predictor; each is also drawn, where pictures are wanted."""
    for example, prediction in predictor.pairs(examples):
        if pictures is not None:
            pictures.write(example, prediction)
        yield predictor, predictor.written(example, prediction)


def evaluate_verb(words: Sequence[str], folders: PresetFolders) -> int:
    """Score a run's model on its own test split, or on other data."""
    parser = argparse.ArgumentParser(
        "graft evaluate",
        description="Score a run's model on its own test split, or on other data (data=…, data.path=…).",
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("data", nargs="*", help="data=… and data.KEY=… of other labelled data; all of it is scored")
    parser.add_argument(
        "--split", choices=("train", "val", "test", "all"), help="what to score (test; all of other data)"
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
    from core.console import Screen

    rows = [[key, record.cell(score)] for key, score in found["scores"].items()]
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
    from core import compose

    if any(word.startswith("data=") for word in words):
        return compose.resolve(
            [f"task={config.task.name}"] * bool(config.task.name) + list(words), folders=folders
        ).data
    changed: DataAdapter = compose.changed("data", config.data, words)
    return changed


def _scored(predictor: Predictor, config: RunConfig, splits: Splits, chosen: str) -> dict[str, Any]:
    from core.evaluate import Scoring, score
    from core.intervals import Bootstrap

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
