"""`python -m benchmarks`: suites of runs, peers, ablations, one GPU, and tables from result files."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import arguments as benchmarks_arguments
from benchmarks import runner, suite, tables
from core import reporting
from core.errors import GraftError, Problem, nearest
from core.options import option

HELP = """\
Measures Graft. Results are files, and every table is printed from these files alone.

  suite=quick [out=DIR] [--json]   run the cells of a suite, one process per cell, and print one table; finished cells
                                   are skipped, interrupted ones are resumed. `suite=FILE.yaml` runs your own suite
  table DIR … [--json]             print the table of the runs, or of the measurements, in some folders
  peers [key=value …]              the same training with other libraries and with Graft: kind=text and kind=tokens with
                                   transformers' Trainer, kind=images with a plain timm loop and with Trainer,
                                   kind=detection with Ultralytics' trainer; also as suite=peers
  ablation [key=value …]           Graft with each of its speed options switched off; kind=text, tokens or images
  gpu [key=value …]                a Llama-3-8B-shaped classifier with random weights on one GPU, LoRA and QLoRA: tokens
                                   per second, peak memory and share of the GPU's peak, compared with Trainer
  methods [work=text]              every adapter method on one task (also work=images, work=detection): size of what it
                                   saves, trained parameters, memory, speed and score
  lora [key=value …]               full fine-tuning and LoRA by its recipe, alternating: score, speed, parameters

`peers --help`, `methods --help` and `ablation --help` show their options, with kind=images those of images.
"""
VERBS = ("table", "peers", "ablation", "methods", "lora", "gpu")
RENAMED = {"levers": "ablation"}


@dataclass
class SuiteOptions:
    """The options of `suite=…`."""

    suite: str = option("quick", "A suite by name, or a YAML file.")
    out: str = option("", "Folder of the runs; empty for runs/benchmarks/NAME.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code (0 success, 1 failure, 2 bad input, 130 interrupted)."""
    asked = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(asked)
    except GraftError as error:
        sys.stderr.write(error.report() + "\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the same command resumes a suite\n")
        return 130


def _dispatch(asked: list[str]) -> int:
    if not asked or asked[0] in ("-h", "--help", "help"):
        sys.stdout.write(HELP)
        return 0
    as_json = "--json" in asked
    rest = [word for word in asked if word != "--json"]
    if rest and rest[0] == "table":
        return _table(rest[1:], as_json)
    if rest and rest[0] in ("peers", "suite=peers"):
        from benchmarks.peers import command

        return command.peers(rest[1:], as_json)
    if rest and rest[0] == "ablation":
        from benchmarks import ablation

        return ablation.ablation(rest[1:], as_json)
    if rest and rest[0] == "gpu":
        from benchmarks.gpu import command as on_gpu

        return on_gpu.gpu(rest[1:])
    if rest and rest[0] == "lora":
        from benchmarks import lora

        return lora.lora(rest[1:], as_json)
    if rest and rest[0] == "methods":
        from benchmarks.methods import command as comparison

        return comparison.methods(rest[1:])
    if any("=" in word for word in rest):
        return _suite(rest, as_json)
    close = RENAMED.get(rest[0]) or nearest(rest[0], VERBS) if rest else None
    hint = f"Did you mean {close!r}?" if close else "Did you mean suite=NAME?"
    raise GraftError(f"there is no command {' '.join(rest)!r}. {hint} `python -m benchmarks --help` lists all.")


def _suite(asked: Sequence[str], as_json: bool) -> int:
    chosen = benchmarks_arguments.options(SuiteOptions, asked, "benchmarks")
    found = suite.read(chosen.suite)
    out = Path(chosen.out or f"runs/benchmarks/{found.name}").absolute()
    say(f"suite {found.name}: {found.summary} {len(found.cells)} cells, into {out}")
    reports = [reporting.read(folder) for folder in runner.run_suite(found, out, say)]
    _write(tables.as_json(reports) if as_json else tables.markdown(reports))
    return 1 if tables.failed_runs(reports) else 0


def _table(folders: Sequence[str], as_json: bool) -> int:
    from benchmarks.peers import measurements

    paths = [Path(each) for each in folders]
    problems = [Problem(str(path), "is not a folder.") for path in paths if not path.is_dir()]
    if problems or not paths:
        raise GraftError(*(problems or [Problem("table", "needs a folder.", "python -m benchmarks table DIR …")]))
    if found := measurements.read(paths):
        _write(measurements.as_json(found) if as_json else measurements.markdown(found))
        return 0
    reports = [reporting.read(folder) for folder in tables.find(paths)]
    if not reports:
        raise GraftError(Problem(", ".join(folders), "contains neither a report.json nor a measurement."))
    _write(tables.as_json(reports) if as_json else tables.markdown(reports))
    return 0


def say(text: str) -> None:
    """Print one line of progress to standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _write(result: Any) -> None:
    sys.stdout.write(result if isinstance(result, str) else json.dumps(result, indent=2, ensure_ascii=False) + "\n")


def _terminated(number: int, frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminated)  # like Ctrl-C: the running cell writes its checkpoint first
    sys.exit(main())
