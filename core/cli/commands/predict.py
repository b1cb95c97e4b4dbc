"""The command `predict`: label texts or images, or find objects."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.presets import PresetFolders
from core.errors import DataError, Problem
from core.inference.inputs import Inputs
from core.inference.outputs import Pictures, opened, write_csv, write_jsonl

if TYPE_CHECKING:
    from core.inference.predictor import Predictor


def predict_command(words: Sequence[str], folders: PresetFolders) -> int:
    """Predict for texts or images from the command line, a file, or standard input."""
    parser = argparse.ArgumentParser(
        "graft predict",
        description="Predict for texts or images with the model of a run. Inputs come from the command line, a file, "
        "or standard input (one per line).",
    )
    parser.add_argument("run", help="the run's folder")
    parser.add_argument(
        "input",
        nargs="*",
        help='texts, or JSON objects such as {"text": …, "pair": …}; or image files, folders of them, globs in quotes',
    )
    parser.add_argument("--file", type=Path, help="a file in the format of the run's data adapter (CSV, JSON Lines, …)")
    parser.add_argument("--format", choices=("jsonl", "csv"), default="jsonl", help="output format (default: jsonl)")
    parser.add_argument("--output", type=Path, help="output file (default: standard output)")
    parser.add_argument(
        "--with", dest="others", action="append", default=[], type=Path, metavar="RUN",
        help="also predict with this run on the same base model, which is in memory once; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="also write images with the detected objects to this folder"
    )
    asked = parser.parse_intermixed_args(words)
    if asked.file and asked.input:
        raise DataError(Problem("predict", "give inputs or --file, not both."))
    if asked.file and not asked.file.is_file():
        raise DataError(Problem(str(asked.file), "there is no such file.", "Check the path after --file."))
    if asked.others and asked.pictures:
        raise DataError(Problem("--pictures", "draws what one run found.", "Leave out --with."))
    from core.inference import shared_base

    runs = [Path(asked.run), *asked.others]
    predictors = shared_base.open_together(runs)
    predictor = predictors[0]
    inputs = Inputs(predictor.task_type)
    if asked.file:
        examples: Iterable[Any] = predictor.config.data.unlabelled(predictor.config.task, asked.file)
    else:
        examples = inputs.read(asked.input or (line.rstrip("\n") for line in sys.stdin))
    pictures = None
    if asked.pictures:
        pictures = Pictures(asked.pictures, predictor.task_type, predictor.labels, predictor.thresholds)
    with opened(asked.output) as out:
        usable = inputs.usable(examples)
        alone = len(runs) == 1
        lines = _written(predictor, usable, pictures) if alone else shared_base.answers(runs, predictors, usable)
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
