"""The comparison of methods: which runs it makes, the record of each run, and the table.

Covers: benchmarks/methods/records.py, benchmarks/methods/work.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as program
from benchmarks.methods import command, records
from benchmarks.methods.work import WORKS, write_digits
from core.config.compose import resolve
from core.files import write_json
from core.registry.compatibility import UNSUPPORTED, fit
from core.registry.registry import load_registry


def report(out: Path, **changes: Any) -> dict[str, Any]:
    plain = {
        "schema": 1,
        "status": "completed",
        "error": None,
        "started": "2026-11-01T10:00:00+00:00",
        "primary": "accuracy",
        "init": "pretrained",
        "choices": {"task": "t", "model": "m", "method": "lora"},
        "config": {"data": {"path": str(out / "high")}, "train": {"epochs": None, "batch_size": 32}, "seed": 0},
        "data": {"adapter": "reviews", "fingerprint": "f" * 8, "sizes": {"train": 1000, "val": 10, "test": 10}},
        "model": {
            "parameters": {"total": 20000, "trainable": 50},
            "provenance": {"checkpoint": "pkg:x", "source": "here"},
            "saved_bytes": 3 * 2**20,
        },
        "training": {"examples_per_second": 123.4, "epochs": 3.0},
        "scores": {"test": {"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9}}},
        "self_test": {"passed": True},
        "seconds": 33.3,
        "memory": {"peak_mb": {"resident": 1234.5}},
        "environment": {
            "platform": "a host", "processor": "A", "cores": 2, "threads": 2, "precision": "bf16", "versions": {},
        },
    }  # fmt: skip
    return plain | changes


def ran(out: Path, name: str, **changes: Any) -> Path:
    folder = out / name
    folder.mkdir(parents=True)
    write_json(folder / "report.json", report(out, **changes))
    return folder


def test_each_run_has_a_file_and_the_table_needs_only_the_files(tmp_path: Path) -> None:
    out = tmp_path / "runs"
    good, bad = ran(out, "good"), ran(out, "bad", status="failed", error="it\nbroke", choices={"method": "vera"})
    adapter = good / "model" / "adapter"
    adapter.mkdir(parents=True)
    (adapter / "weights").write_bytes(b"x" * 2**19)
    busy = out / "logs" / "good" / records.BUSY
    busy.parent.mkdir(parents=True)
    busy.write_text("37.5\n", encoding="utf-8")
    entries = [records.entry("text", each, out) for each in (good, bad)]
    records.write(entries, tmp_path / "results")
    assert (tmp_path / "results" / "failed" / "text-vera.json").is_file()
    kept = (tmp_path / "results" / "text-lora.json").read_text(encoding="utf-8")
    assert str(tmp_path) not in kept
    assert json.loads(kept)["config"]["data"]["path"] == "OUT/high"
    assert "platform" not in kept
    table = (tmp_path / "results" / "README.md").read_text(encoding="utf-8")
    assert table == records.markdown(records.read(tmp_path / "results"))
    cells = [cell.strip() for cell in next(line for line in table.splitlines() if "| lora" in line).split("|")[1:-1]]
    assert cells == [
        "lora", "accuracy 0.800", "0.700 to 0.900", "50", "0.25%", "3.00 MiB", "0.50 MiB", "1,234 MiB", "3", "123",
        "33 s",
    ]  # fmt: skip
    assert "- text, vera: it broke" in table
    assert "Warning: other processes kept the processors busy before text lora;" in table


@pytest.mark.parametrize("name", WORKS)
def test_every_method_of_a_work_fits_its_model_and_composes(name: str, tmp_path: Path) -> None:
    work, components = WORKS[name], load_registry().components
    for cell in work.suite(tmp_path, work.methods).cells:
        config = resolve(cell.overrides)
        found = fit(type(config.model), components["method"][cell.method])  # type: ignore[arg-type]
        assert found.status != UNSUPPORTED
        assert type(config.method).name == cell.method
    if base := work.base_suite(tmp_path):
        resolve(base.cells[0].overrides)
        assert all("model.init=pretrained" in cell.options for cell in work.suite(tmp_path, ["full"]).cells)
    missing = {
        key for key, method in components["method"].items()
        if fit(type(config.model), method).status != UNSUPPORTED  # type: ignore[arg-type]
    } - set(work.methods)  # fmt: skip
    assert not missing, "a method that fits has no run"


def test_the_digits_of_the_base_are_others_than_those_of_the_comparison(tmp_path: Path) -> None:
    write_digits(tmp_path)
    low, high = (sorted(each.name for each in (tmp_path / half).iterdir()) for half in ("low", "high"))
    assert (low, high) == (list("01234"), list("56789"))
    assert len(list(tmp_path.rglob("*.png"))) == 1797


def test_the_command_runs_writes_and_reports_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fake(suite: Any, out: Path, say: Any, runner: Any = None) -> list[Path]:
        status = {"ia3": "failed"}
        return [
            ran(out, cell.name, choices={"method": cell.method}, status=status.get(cell.method, "completed"))
            for cell in suite.cells
        ]

    monkeypatch.setattr(command.runner, "run_suite", fake)
    words = ["methods", "work=detection", "methods=lora,ia3", f"runs={tmp_path / 'runs'}", f"out={tmp_path / 'out'}"]
    assert program.main(words) == 1
    assert "detection, ia3" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.json")) == [
        "detection-ia3.json",
        "detection-lora.json",
    ]
    assert program.main(["methods", "methods=lorra"]) == 2
    assert "Did you mean 'lora'" in capsys.readouterr().err
    assert program.main(["methods", "--help"]) == 0
    assert "work=text" in capsys.readouterr().out
