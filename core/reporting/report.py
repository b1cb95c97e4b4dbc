"""Read the `report.json` of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.errors import Problem, RunError
from core.reporting.run_directory import REPORT

SCHEMA = 1
"""Version of the layout of `report.json`; docs/reference/report.md describes it."""
REPORT_ENTRIES = frozenset(
    {
        "choices", "command", "confidence", "config", "data", "ended", "environment", "error", "init", "memory",
        "model", "name", "nondeterministic_kernels", "primary", "resumed", "schema", "scores", "seconds",
        "self_test", "started", "status", "table_titles", "tables", "thresholds", "train", "training",
    }
)  # fmt: skip
"""The entries of `report.json` that Graft writes; a table of a target type must have another name."""


def read(run: Path) -> dict[str, Any]:
    """Return the report in a run's folder.

    Raises:
        RunError: There is no report, it is damaged, or another version of Graft wrote it.
    """
    path = run / REPORT
    if not path.is_file():
        raise RunError(
            Problem(str(run), "is not a run's folder: it has no report.json.", "Give the folder that a run printed.")
        )
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(Problem(str(path), f"cannot be read: {error}.", "Start a new run.")) from error
    if report.get("schema") != SCHEMA:
        raise RunError(Problem(str(path), f"has schema {report.get('schema')}; this Graft reads {SCHEMA}."))
    return report
