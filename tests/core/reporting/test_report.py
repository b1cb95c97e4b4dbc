"""Reading and writing a run's report, log and summary.

Covers: core/reporting/log.py, core/reporting/summary.py, core/reporting/run_directory.py
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from core.errors import RunError
from core.reporting.console import Screen
from core.reporting.log import Log
from core.reporting.report import SCHEMA, read
from core.reporting.summary import cell, show


def test_rewind_removes_later_lines_of_the_log(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.jsonl")
    log.rewind(3, 3)  # there is none yet
    for step in (2, 4, 6):
        log.write({"step": step, "loss": math.nan})
    with log.path.open("a") as file:
        file.write('{"step": 7, "los')  # the process was killed here
    log.rewind(4, 4)
    assert [json.loads(line) for line in log.path.read_text().splitlines()] == [
        {"step": 2, "loss": None},
        {"step": 4, "loss": None},
    ]


def test_rewind_removes_an_evaluation_that_will_be_rerun(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.jsonl")
    for step in (2, 4):
        log.write({"step": step, "loss": 1.0})
        log.write({"step": step, "split": "val", "scores": {}})
    log.rewind(4, 2)
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [(line["step"], "split" in line) for line in lines] == [(2, False), (2, True), (4, False)]


def test_a_folder_without_a_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is not a run's folder: it has no report\.json"):
        read(tmp_path)


def test_a_report_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps({"schema": SCHEMA + 1}))
    with pytest.raises(RunError, match=f"has schema {SCHEMA + 1}; this Graft reads {SCHEMA}"):
        read(tmp_path)


def test_a_damaged_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"schema": 1, "sta')
    with pytest.raises(RunError, match=r"report\.json"):
        read(tmp_path)


def test_cells_of_tables() -> None:
    assert cell({"value": 0.8934, "low": 0.8791, "high": 0.9071}) == "0.893 [0.879, 0.907]"
    assert cell({"value": 0.5, "low": None, "high": None}) == "0.500"
    assert cell({"value": None, "low": None, "high": None}) == cell(None) == "-"


def test_the_summary_shows_scores_beside_the_baselines(capsys: pytest.CaptureFixture[str]) -> None:
    score = {"value": 0.9, "low": 0.8, "high": 0.95}
    row = {"label": "good", "precision": 0.5, "recall": 0.25, "f1": 0.3333, "support": 4}
    report = {
        "name": "sentiment roberta full",
        "primary": "f1_macro",
        "confidence": 0.95,
        "scores": {
            "test": {"accuracy": score, "f1_macro": score},
            "val": {"accuracy": score, "f1_macro": score | {"value": 0.7}},
            "baselines": {"majority": {"accuracy": score | {"value": 0.3}, "f1_macro": score}},
        },
        "per_class": [row],
        "confusion": [],
        "table_titles": {"per_class": "Per class, on the test split", "confusion": "The most frequent errors"},
        "data": {"sizes": {"test": 4}, "findings": [{"message": "2 texts were cut."}]},
        "model": {"parameters": {"trainable": 10, "total": 1000}},
        "training": {"seconds": 3.0, "examples_per_second": 12.0, "marks": ["time_budget: ended at step 3 of 9"]},
        "memory": {"peak_mb": {"resident": 100.0}},
        "seconds": 5.0,
    }
    show(report, Screen(), Path("runs/x"))
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert "sentiment roberta full: 4 test examples, 95% confidence intervals" in lines[0]
    (primary,) = [line for line in lines if "f1_macro *" in line]
    assert "0.900 [0.800, 0.950]" in primary
    assert "0.700" in primary
    assert lines.index(primary) < next(i for i, line in enumerate(lines) if "accuracy" in line)
    assert "majority" in out
    assert "good" in out
    assert "Per class, on the test split" in lines
    assert "The most frequent errors" not in out  # there are none
    assert out.rstrip().endswith("run: runs/x")
    assert "2 texts were cut." in err
    assert "warning: time_budget: ended at step 3 of 9" in err
    assert "10 of 1,000 parameters" in err
