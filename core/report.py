"""The record of a run: `report.json`, `log.jsonl`, `predictions.jsonl`, and the summary on the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Problem, RunError
from core.files import clean, unwritable, write_text

if TYPE_CHECKING:
    from core.console import Screen

SCHEMA = 1
"""Version of the layout of `report.json`; docs/reference/report.md describes it."""

REPORT, LOG, PREDICTIONS, CONFIG = "report.json", "log.jsonl", "predictions.jsonl", "config.yaml"
MODEL, CHECKPOINTS, SAMPLES, PICTURE = "model", "checkpoints", "samples.png", "predictions.png"


class Log:
    """`log.jsonl`: one line each time the loss is read, and one an evaluation."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rewind(self, step: int, evaluated: int) -> None:
        """Remove what came after a checkpoint, when a run resumes from it.

        Args:
            step: The checkpoint's step.
            evaluated: The last step whose evaluation the checkpoint includes.
        """
        if self.path.is_file():
            lines = self.path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if _stands(line, step, evaluated)]
            write_text(self.path, "".join(line + "\n" for line in kept))

    def write(self, values: Mapping[str, Any]) -> None:
        """Append a line.

        Raises:
            RunError: The disk is full or read-only.
        """
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(clean(values)) + "\n")
        except OSError as error:
            raise unwritable(self.path, error) from error


def _stands(line: str, step: int, evaluated: int) -> bool:
    """Return whether a line of the log came before a checkpoint; the test split is scored after all of them."""
    try:
        entry = json.loads(line)
        limit = {"val": evaluated, "test": -1}.get(entry.get("split"), step)
        return bool(entry["step"] <= limit)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False  # a torn line


def read(run: Path) -> dict[str, Any]:
    """Read the report in a run's folder.

    Raises:
        RunError: There is none, or it was written by a newer Graft.
    """
    path = run / REPORT
    if not path.is_file():
        raise RunError(
            Problem(str(run), "is not a run's folder: it has no report.json.", "Give the folder that a run printed.")
        )
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(Problem(str(path), f"cannot be read: {error}.", "Start the run anew.")) from error
    if report.get("schema") != SCHEMA:
        raise RunError(Problem(str(path), f"has schema {report.get('schema')}; this Graft reads {SCHEMA}."))
    return report


def show(report: Mapping[str, Any], screen: Screen, directory: Path) -> None:
    """Print the summary: scores with intervals beside the baselines, the table by class, findings and costs."""
    scores, primary = report["scores"], report["primary"]
    baselines: Mapping[str, Any] = scores.get("baselines", {})
    keys = sorted(scores["test"], key=lambda key: key != primary)
    rows = [
        [f"{key} *" if key == primary else key, cell(scores["test"][key]), cell(scores["val"].get(key))]
        + [cell(baseline.get(key)) for baseline in baselines.values()]
        for key in keys
    ]
    data = report["data"]
    title = f"{report['name']}: {data['sizes']['test']} test examples, {report['confidence']:.0%} confidence intervals"
    screen.table(title, ["metric (* primary)", "test", "validation", *baselines], rows)
    for key, title in report.get("table_titles", {}).items():
        shown: Sequence[Mapping[str, Any]] = report[key]
        columns = list(shown[0]) if shown else []
        screen.table(title, columns, [[_plain(row[key]) for key in columns] for row in shown])
    for finding in data["findings"]:
        screen.say(f"data: {finding['message']}")
    for mark in report["training"].get("marks", []):
        screen.warn(mark)
    parameters, training = report["model"]["parameters"], report["training"]
    screen.say(
        f"trained {parameters['trainable']:,} of {parameters['total']:,} parameters in {training['seconds']:.0f} s "
        f"({training.get('examples_per_second') or 0:.0f} examples/s), "
        f"peak memory {_memory(report['memory'])}, {report['seconds']:.0f} s in all"
    )
    screen.out.print(f"run: {directory}", markup=False)


def _memory(memory: Mapping[str, Any]) -> str:
    """Return the measured peak (the GPU's where there is one) and the estimate as text."""
    peak, estimated = memory["peak_mb"], memory.get("estimate_mb")
    measured = f"{peak['gpu']:.0f} MiB on the GPU" if "gpu" in peak else f"{peak['resident']:.0f} MiB"
    return measured + (f" (estimated {estimated['total']:.0f})" if estimated else "")


def cell(score: Mapping[str, Any] | float | None) -> str:
    """Return a score as text: `0.893 [0.879, 0.907]`, or a dash where there is none."""
    if score is None:
        return "-"
    if not isinstance(score, Mapping):
        return f"{score:.3f}"
    if score.get("value") is None:
        return "-"
    if score.get("low") is None or score.get("high") is None:
        return f"{score['value']:.3f}"
    return f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"


def _plain(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else str(value)
