"""Run the cells of a suite one after the other: finished ones are skipped, interrupted ones are resumed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import arguments, processes
from benchmarks.processes import Ended
from benchmarks.suite import Cell, Suite
from core import reporting
from core.config import difference
from core.errors import ConfigError, GraftError, Problem
from core.files import write_json

DONE, RESUME, REDO, NEW = "done", "resume", "redo", "new"
REPLACED = "replaced"
"""The folder of a suite to which runs are moved before they are rerun; tables ignore it."""

Runner = Callable[[Sequence[str], Path, float], Ended]
"""Runs a command with its output in a folder, with a time limit in seconds."""
Say = Callable[[str], None]


def run_suite(suite: Suite, out: Path, say: Say, runner: Runner = processes.run) -> list[Path]:
    """Run every cell that is not finished, and return the folders of all, in the suite's order.

    If a cell fails, its error is kept, and the other cells run.

    Args:
        suite: The suite.
        out: The folder for one folder per cell.
        say: Prints lines of progress.
        runner: Runs a cell's process.

    Raises:
        ConfigError: A cell is invalid; nothing has been started.
    """
    plans = _plan(suite)
    folders = []
    for number, (cell, plain) in enumerate(plans, start=1):
        folder = out / cell.name
        where = f"[{number}/{len(plans)}] {cell.name}"
        state = state_of(folder, plain)
        if state == DONE:
            say(f"{where}: finished before, {_score(folder)}")
        else:
            say(f"{where}: {_PROGRESS[state]}")
            if state == REDO:
                _set_aside(folder, out)
            ended = runner(_command(cell, folder, state), _logs(folder), suite.timeout_minutes * 60)
            _record_failure(cell, folder, plain, ended)
            say(f"{where}: {_score(folder)} ({ended.seconds:.0f} s)")
        folders.append(folder)
    return folders


_PROGRESS = {RESUME: "resuming", REDO: "rerunning", NEW: "running"}


def _plan(suite: Suite) -> list[tuple[Cell, dict[str, Any]]]:
    plans: list[tuple[Cell, dict[str, Any]]] = []
    problems: list[Problem] = []
    for cell in suite.cells:
        try:
            plans.append((cell, cell.plain()))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(*problems)
    return plans


def state_of(folder: Path, plain: dict[str, Any]) -> str:
    """Return the state of a cell: done, to resume, to rerun, or new.

    Args:
        folder: The cell's folder.
        plain: Its current configuration; a run with another one is rerun.
    """
    if not (folder / reporting.REPORT).is_file():
        return NEW
    try:
        report = reporting.read(folder)
    except (GraftError, ValueError):
        return REDO
    if difference(report.get("config"), plain):
        return REDO
    return {"completed": DONE, "interrupted": RESUME, "running": RESUME}.get(str(report.get("status")), REDO)


def _command(cell: Cell, folder: Path, state: str) -> list[str]:
    core = [sys.executable, "-m", "core"]
    if state == RESUME:
        return [*core, "resume", str(folder)]
    return [*core, *cell.overrides, f"hydra.run.dir={arguments.quoted(folder)}"]


def _logs(folder: Path) -> Path:
    """Return the folder of a cell's output. It is beside the run's folder, which the run itself creates."""
    return folder.parent / "logs" / folder.name


def _set_aside(folder: Path, out: Path) -> None:
    (out / REPLACED).mkdir(parents=True, exist_ok=True)
    number = 1
    while (target := out / REPLACED / f"{folder.name}-{number}").exists():
        number += 1
    folder.rename(target)


def _record_failure(cell: Cell, folder: Path, plain: dict[str, Any], ended: Ended) -> None:
    """Write the failure of a process into its report if the process could not, because tables only read reports."""
    try:
        report = reporting.read(folder)
    except (GraftError, ValueError):
        report = {"schema": reporting.SCHEMA, "name": cell.name, "primary": plain["task"]["primary"], "config": plain}
        report["choices"] = {"task": cell.task, "model": cell.model, "method": cell.method}
    status = report.get("status", "running")
    if status == "completed" or (report.get("error") and not ended.timed_out):
        return
    error = processes.tail(_logs(folder)) or f"ended with exit code {ended.code} and no message"
    if ended.timed_out:
        error = f"ended after {ended.seconds:.0f} s, at the suite's time limit"
    settled = {
        "status": "interrupted" if status == "interrupted" else "failed",
        "error": error,
        "exit_code": ended.code,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / reporting.REPORT, report | settled)


def _score(folder: Path) -> str:
    """Return a short description of the outcome."""
    report = reporting.read(folder)
    if report["status"] != "completed":
        lines = str(report.get("error") or report["status"]).strip().splitlines()
        return f"{report['status']}: {' '.join(line.strip() for line in lines[:2])}"
    primary = report["primary"]
    return f"{primary} {reporting.cell(report['scores']['test'].get(primary))}"
