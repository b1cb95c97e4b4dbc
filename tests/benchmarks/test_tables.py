"""Tables of finished runs: seeds are averaged, and runs that differ are never mixed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as program
from benchmarks import tables


def report(score: float = 0.8, seed: int = 0, model: str = "minilm", **changes: Any) -> dict[str, Any]:
    epochs = changes.pop("epochs", 3.0)
    plain = {
        "schema": 1,
        "status": "completed",
        "primary": "accuracy",
        "init": "pretrained",
        "choices": {"task": "sentiment", "model": model, "method": "full"},
        "config": {
            "task": {"name": "sentiment", "kind": "text-classification"},
            "model": {"component": "encoder", "checkpoint": "org/name"},
            "method": {"component": "full"},
            "train": {"epochs": epochs},
            "seed": seed,
        },
        "scores": {
            "test": {"accuracy": {"value": score, "low": 0.0, "high": 1.0}},
            "baselines": {"majority": {"accuracy": {"value": 0.25 + seed}}},
        },
        "seconds": 10.0 + seed,
        "training": {"seconds": 5.0, "examples_per_second": 100.0 + seed},
        "model": {"parameters": {"total": 200, "trainable": 50}},
        "environment": {"processor": "A Processor", "cores": 2, "threads": 2, "precision": "bf16", "versions": {}},
    }
    return plain | changes


def test_seeds_become_one_row_with_mean_and_sample_deviation() -> None:
    (row,) = tables.rows([report(0.7, 0), report(0.8, 1), report(0.9, 2)])
    assert (row.task, row.model, row.method, row.n) == ("sentiment", "minilm", "full", 3)
    assert row.mean == pytest.approx(0.8)
    assert row.sd == pytest.approx(0.1)
    assert row.baselines == {"majority": pytest.approx(1.25)}
    assert (row.seconds, row.examples_per_second, row.trainable) == (11.0, 101.0, 0.25)


def test_one_seed_has_no_deviation() -> None:
    text = tables.markdown([report(0.7)])
    assert "| 0.700 | 1 |" in text
    assert "±" not in text


def test_a_row_from_scratch_is_marked_and_explained() -> None:
    text = tables.markdown([report(), report(model="roberta", init="scratch")])
    assert "roberta (scratch)" in text
    assert "minilm (scratch)" not in text
    assert tables.SCRATCH in text


def test_pretrained_and_scratch_are_never_averaged() -> None:
    assert len(tables.rows([report(0.9), report(0.5, 1, init="scratch")])) == 2


def test_runs_that_differ_in_an_option_are_two_rows_that_say_so() -> None:
    first, second = tables.rows([report(epochs=1.0), report(epochs=3.0)])
    assert first.options == ("train.epochs=1.0",)
    assert second.options == ("train.epochs=3.0",)


def test_what_failed_is_kept_apart_with_its_error() -> None:
    failed = report(seed=1, status="failed", error="Training diverged:\n  the loss is not a number")
    for absent in ("scores", "training"):
        del failed[absent]
    text = tables.markdown([report(), failed])
    (row,) = tables.rows([report(), failed])
    assert row.n == 1
    assert "- sentiment minilm full seed 1: failed. Training diverged: the loss is not a number" in text


def test_scores_that_are_not_numbers_do_not_spoil_the_mean() -> None:
    (row,) = tables.rows([report(0.7, 0), report(None, 1)])  # type: ignore[arg-type]
    assert (row.mean, row.sd, row.n) == (0.7, None, 2)


def test_the_table_is_made_of_files_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        (tmp_path / f"cell{seed}").mkdir()
        (tmp_path / f"cell{seed}" / "report.json").write_text(json.dumps(report(0.7, seed)))
    (tmp_path / "replaced" / "cell0-1").mkdir(parents=True)
    (tmp_path / "replaced" / "cell0-1" / "report.json").write_text(json.dumps(report(0.1)))
    assert program.main(["table", str(tmp_path)]) == 0
    assert capsys.readouterr().out == tables.markdown([report(0.7, 0), report(0.7, 1)])
    assert program.main(["table", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["n"] == 2


def test_a_pipe_in_a_cell_does_not_break_the_table() -> None:
    assert tables.grid(("a",), [["x|y"]]).splitlines()[-1] == "| x\\|y |"
