"""The command `predict`: predict for texts or images with the model of a run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.presets import PresetFolders
from core.errors import DataError, Problem, unknown
from core.inference.inputs import Inputs
from core.inference.outputs import Pictures, open_output, write_csv, write_jsonl, write_text

if TYPE_CHECKING:
    from core.inference.predictor import FinishedRun, Predictor


def predict_command(arguments: Sequence[str], folders: PresetFolders) -> int:
    """Predict for texts or images from the command line, a file, or standard input."""
    args = _parse(arguments)
    from core.inference import shared_base
    from core.inference.predictor import FinishedRun

    runs = [Path(args.run), *args.others]
    _refuse_unknown_format(args.format, [FinishedRun.read(run) for run in runs])  # before any model is loaded
    predictors = shared_base.open_together(runs)
    predictor = predictors[0]
    inputs = Inputs(predictor.task_type)
    if args.file:
        task = replace(predictor.config.task, labels=list(predictor.labels) or None)
        examples: Iterable[Any] = predictor.config.data.unlabelled(task, args.file)
    else:
        examples = inputs.read(args.input or (line.rstrip("\n") for line in sys.stdin))
    pictures = None
    if args.pictures:
        pictures = Pictures(args.pictures, predictor.task_type, predictor.labels, predictor.thresholds)
    with open_output(args.output) as out:
        usable = inputs.usable(examples)
        alone = len(runs) == 1
        lines = _predict(predictor, usable, pictures) if alone else shared_base.predict_all(runs, predictors, usable)
        if args.format == "csv":
            rows = (row for by, line in lines for row in by.rows(line))
            write_csv(rows, out, predictor.output.target.columns(predictor.labels) if alone else ())
        elif args.format == "jsonl":
            write_jsonl((line for _, line in lines), out)
        else:
            write_text((text for by, line in lines for text in by.text_lines(line, args.format)), out)
    inputs.raise_if_unusable()
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the parsed arguments.

    Raises:
        DataError: They contradict each other, or the file does not exist.
    """
    parser = argparse.ArgumentParser(
        "graft predict",
        description="Predict for texts or images with the model of a run. Inputs come from the command line, a file, "
        "or standard input (one per line).",
    )
    parser.add_argument("run", help="the run's folder")
    parser.add_argument(
        "input",
        nargs="*",
        help='texts, or JSON objects such as {"text": …, "pair": …}; or image files, folders of images, quoted globs',
    )
    parser.add_argument("--file", type=Path, help="a file in the format of the run's data adapter (CSV, JSON Lines, …)")
    parser.add_argument(
        "--format", default="jsonl", help="output format: jsonl, csv, or one of the run's target type (default: jsonl)"
    )
    parser.add_argument("--output", type=Path, help="output file (default: standard output)")
    parser.add_argument(
        "--with", dest="others", action="append", default=[], type=Path, metavar="RUN",
        help="also predict with this run, which shares the base model in memory; can be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="also write images with the detected objects to this folder"
    )
    args = parser.parse_intermixed_args(arguments)
    if args.file and args.input:
        raise DataError(Problem("predict", "give inputs or --file, not both."))
    if args.file and not args.file.is_file():
        raise DataError(Problem(str(args.file), "there is no such file.", "Check the path after --file."))
    if args.others and args.pictures:
        raise DataError(Problem("--pictures", "draws the predictions of one run only.", "Leave out --with."))
    return args


def _refuse_unknown_format(name: str, runs: Sequence[FinishedRun]) -> None:
    """Raise an error if a run does not have an output format.

    Raises:
        DataError: It does not; the error lists the formats that all runs have.
    """
    first, *others = (run.formats for run in runs)
    shared = [each for each in first if all(each in formats for formats in others)]
    for run in runs:
        if name not in run.formats:
            target = run.output.target.name
            message = f"{run.folder} has the target type {target}, which has no output format {name!r}."
            raise DataError(Problem("--format", message, unknown("output format", name, shared)[1]))


def _predict(
    predictor: Predictor, examples: Iterable[Any], pictures: Pictures | None
) -> Iterator[tuple[Predictor, dict[str, Any]]]:
    """Yield each prediction as JSON values, with its predictor; draw it too if `pictures` is given."""
    for example, prediction in predictor.pairs(examples):
        if pictures is not None:
            pictures.write(example, prediction)
        yield predictor, predictor.written(example, prediction)
