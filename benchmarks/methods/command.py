"""`python -m benchmarks methods`: run every method on one task, one process per run, and print one table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import arguments, processes, runner
from benchmarks.methods import records
from benchmarks.methods.work import BASE, WORKS, write_digits
from core.errors import ConfigError, Problem, unknown
from core.options import option

RESULTS = Path(__file__).resolve().parents[1] / "results" / "methods"


@dataclass
class MethodOptions:
    """The options of `methods`."""

    work: str = option("text", "The task on which methods are compared.", choices=tuple(WORKS))
    methods: str = option("", "Some of its methods, separated by commas; empty for all.")
    runs: str = option("", "Folder of the runs; empty for runs/benchmarks/methods-WORK.")
    out: str = option("", "Folder of the table's files; empty for benchmarks/results/methods.")


def methods(asked: Sequence[str]) -> int:
    """Run the methods, write the files, print the table, and return the exit code."""
    if asked and asked[0] in ("-h", "--help", "help"):
        sys.stdout.write(f"{methods.__doc__}\n\n{arguments.help_of(MethodOptions)}\n")
        return 0
    chosen = arguments.options(MethodOptions, asked, "methods")
    work = WORKS[chosen.work]
    wanted = [each.strip() for each in chosen.methods.split(",") if each.strip()] or list(work.methods)
    if strange := [each for each in wanted if each not in work.methods]:
        raise ConfigError(
            *(Problem("methods", *unknown("method of this work", each, work.methods)) for each in strange)
        )
    runs = Path(chosen.runs or f"runs/benchmarks/methods-{work.name}").absolute()
    if work.digits and not (runs / "high").is_dir():
        write_digits(runs)
    if base := work.base_suite(runs):
        runner.run_suite(base, runs / BASE, say)
    folders = runner.run_suite(work.suite(runs, wanted), runs, say, _watched)
    found = [records.entry(work.name, folder, runs) for folder in folders]
    records.write(found, Path(chosen.out) if chosen.out else RESULTS)
    sys.stdout.write(records.markdown(found))
    return 1 if any(each["status"] != "completed" for each in found) else 0


def _watched(command: Sequence[str], logs: Path, timeout_seconds: float) -> processes.Ended:
    """Run a cell, after recording the load of other processes, which distorts speeds."""
    import psutil

    busy = psutil.cpu_percent(interval=1.0)
    logs.mkdir(parents=True, exist_ok=True)
    (logs / records.BUSY).write_text(f"{busy}\n", encoding="utf-8")
    return processes.run(command, logs, timeout_seconds)


def say(text: str) -> None:
    """Print one line of progress to standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
