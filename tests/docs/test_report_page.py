"""The page about `report.json`: it describes every entry that a run writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from core.reporting.report import REPORT_ENTRIES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "report.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| `")]
KEYS = {key for row in ROWS for key in re.findall(r"`(\w+)`", row.split(" | ")[0])}
TABLES = {"per_class", "confusion"}
"""The tables of the built-in target types."""
SMALL = (
    "train.max_steps=2",
    "train.epochs=1",
    "train.bootstrap_resamples=20",
    "data.max_examples=30",
    "model.hidden_size=16",
    "model.layers=1",
    "model.attention_heads=2",
    "model.vocabulary=300",
    "model.max_length=16",
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of a real run."""
    from core import run
    from core.config import resolve
    from core.reporting import read

    folder = tmp_path_factory.mktemp("report") / "run"
    run(resolve(["task=sentiment", "model=bert", "model.init=scratch", *SMALL]), folder, quiet=True)
    return read(folder)


def test_the_page_lists_the_entries_that_no_table_can_use() -> None:
    assert KEYS == REPORT_ENTRIES | TABLES


def test_every_entry_of_a_run_is_described(report: dict[str, Any]) -> None:
    assert report["status"] == "completed"
    assert set(report) <= KEYS


@pytest.mark.parametrize("entry", ["data", "model", "training", "scores", "self_test", "memory", "environment"])
def test_every_part_of_an_entry_is_described(report: dict[str, Any], entry: str) -> None:
    (row,) = [row for row in ROWS if f"`{entry}`" in row.split(" | ")[0]]
    assert not [key for key in report[entry] if f"`{key}`" not in row]
