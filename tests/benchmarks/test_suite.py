"""Suites of runs: what is run, skipped or rerun, and how processes and bad input end.

Covers: benchmarks/arguments.py, benchmarks/processes.py, benchmarks/runner.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as program
from benchmarks import processes, suite
from benchmarks import runner as benchmarks_runner
from benchmarks.processes import Ended
from core.errors import ConfigError

TINY = {
    "summary": "Tiny.",
    "cells": [{"task": "sentiment", "model": "roberta", "method": ["full", "lora"], "options": ["model.init=scratch"]}],
}


class FakeRunner:
    """Stands in for the process of a cell: leaves the report that a test wants, or none."""

    def __init__(self, status: str = "completed", code: int = 0, write: bool = True, timed_out: bool = False) -> None:
        self.status, self.code, self.write, self.timed_out = status, code, write, timed_out
        self.commands: list[list[str]] = []

    def __call__(self, command: Sequence[str], folder: Path, timeout_seconds: float) -> Ended:
        self.commands.append(list(command))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "stderr.txt").write_text("first\nthe reason\n")
        if self.write:
            self._report(command)
        return Ended(self.code, 1.0, timed_out=self.timed_out)

    def _report(self, command: Sequence[str]) -> None:
        if command[3] == "resume":
            run = Path(command[4])
            before = json.loads((run / "report.json").read_text())
        else:
            run = Path(command[-1].partition("=")[2].strip('"'))
            cell = next(each for each in suite.parse("tiny", TINY).cells if run.name == each.name)
            choices = {"task": cell.task, "model": cell.model, "method": cell.method}
            before = {"schema": 1, "config": cell.plain(), "primary": "f1_macro", "choices": choices}
        run.mkdir(parents=True, exist_ok=True)
        scores = {"test": {"f1_macro": {"value": 0.5, "low": None, "high": None}}}
        (run / "report.json").write_text(json.dumps(before | {"status": self.status, "scores": scores}))


def run(out: Path, runner: FakeRunner, plain: dict[str, Any] | None = None) -> list[str]:
    lines: list[str] = []
    benchmarks_runner.run_suite(suite.parse("tiny", plain or TINY), out, lines.append, runner)
    return lines


def status(out: Path, method: str = "full") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / f"sentiment-roberta-{method}-seed0" / "report.json").read_text())
    return found


def test_finished_cells_are_skipped(tmp_path: Path) -> None:
    first, second = FakeRunner(), FakeRunner()
    run(tmp_path, first)
    lines = run(tmp_path, second)
    assert len(first.commands) == 2
    assert second.commands == []
    assert "finished before" in lines[0]


def test_a_cell_is_one_command_of_the_core(tmp_path: Path) -> None:
    runner = FakeRunner()
    run(tmp_path, runner)
    folder = tmp_path / "sentiment-roberta-full-seed0"
    words = ["task=sentiment", "model=roberta", "method=full", "seed=0", "model.init=scratch"]
    assert runner.commands[0] == [sys.executable, "-m", "core", *words, f'hydra.run.dir="{folder}"']


@pytest.mark.parametrize("left", ["interrupted", "running"])
def test_interrupted_and_killed_cells_resume(tmp_path: Path, left: str) -> None:
    run(tmp_path, FakeRunner())
    path = tmp_path / "sentiment-roberta-full-seed0" / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": left}))
    runner = FakeRunner()
    run(tmp_path, runner)
    assert [command[2:] for command in runner.commands] == [["core", "resume", str(path.parent)]]
    assert status(tmp_path)["status"] == "completed"


def test_failed_cells_are_done_again_and_the_old_ones_set_aside(tmp_path: Path) -> None:
    run(tmp_path, FakeRunner("failed", code=2))
    assert "first the reason" in " ".join(status(tmp_path)["error"].split())
    run(tmp_path, FakeRunner())
    assert status(tmp_path)["status"] == "completed"
    assert (tmp_path / "replaced" / "sentiment-roberta-full-seed0-1" / "report.json").is_file()


def test_a_cell_with_other_options_is_done_again(tmp_path: Path) -> None:
    run(tmp_path, FakeRunner())
    runner = FakeRunner()
    run(tmp_path, runner, TINY | {"options": ["train.epochs=1"]})
    assert len(runner.commands) == 2


def test_a_process_that_dies_without_a_report_is_reported_and_does_not_end_the_suite(tmp_path: Path) -> None:
    runner = FakeRunner(code=-9, write=False)
    lines = run(tmp_path, runner)
    assert len(runner.commands) == 2
    assert status(tmp_path)["status"] == "failed"
    assert status(tmp_path)["exit_code"] == -9
    assert "failed: first the reason" in lines[1]


def test_a_cell_past_its_limit_is_reported_and_may_resume_later(tmp_path: Path) -> None:
    run(tmp_path, FakeRunner("interrupted", code=130, timed_out=True))
    assert "at the suite's time limit" in status(tmp_path)["error"]
    runner = FakeRunner()
    run(tmp_path, runner)
    assert runner.commands[0][3] == "resume"


def test_a_time_limit_ends_the_whole_session_of_a_process(tmp_path: Path) -> None:
    ended = processes.run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, 0.3)
    assert ended.timed_out
    assert ended.code < 0
    assert ended.seconds < 20


def test_peak_memory_and_errors_of_a_process_are_kept(tmp_path: Path) -> None:
    program = "import sys; x = bytearray(200 * 2**20); print('oh no', file=sys.stderr); sys.exit(3)"
    ended = processes.run([sys.executable, "-c", program], tmp_path, 60)
    assert ended.code == 3
    assert ended.peak_rss_mb > 200
    assert processes.tail(tmp_path) == "oh no"


@pytest.mark.parametrize(
    ("plain", "where", "says"),
    [
        ({"cels": []}, "cels", "Did you mean cells?"),
        ({}, "cells", "lists nothing to run"),
        ({"cells": ["roberta"]}, "cells[0]", "not a mapping"),
        ({"cells": [{"task": "t", "model": "m"}]}, "cells[0].method", "is missing"),
        ({"cells": [{"task": "t", "model": "m", "methods": "full"}]}, "cells[0].methods", "Did you mean method?"),
        ({"cells": TINY["cells"], "seeds": ["x"]}, "seeds", "whole numbers"),
        ({"cells": TINY["cells"], "seeds": [True]}, "seeds", "whole numbers"),
        ({"cells": TINY["cells"], "timeout_minutes": 0}, "timeout_minutes", "above 0"),
        ({"cells": TINY["cells"], "options": ["train"]}, "options", "overrides"),
        ({"cells": [*TINY["cells"], *TINY["cells"]]}, "cells", "lists sentiment-roberta-full-seed0 twice"),
    ],
)
def test_what_is_wrong_with_a_suite_is_named(plain: dict[str, Any], where: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        suite.parse("tiny", plain, "tiny.yaml")
    assert where in [problem.where for problem in caught.value.problems]
    assert says in str(caught.value)
    assert "tiny.yaml" in str(caught.value)


def test_an_unknown_suite_gets_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["suite=quik"]) == 2
    assert "Did you mean 'quick'?" in capsys.readouterr().err


def test_a_wrong_name_in_a_cell_stops_the_suite_before_it_starts(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("cells:\n  - {task: sentiment, model: [roberta, robarta], method: full}\n")
    runner = FakeRunner()
    with pytest.raises(ConfigError, match="roberta") as caught:
        benchmarks_runner.run_suite(suite.read(str(path)), tmp_path, print, runner)
    assert "cell sentiment-robarta-full-seed0" in str(caught.value)
    assert runner.commands == []


def test_a_file_that_is_not_yaml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("cells: [")
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        suite.read(str(path))


@pytest.mark.parametrize("name", suite.names())
def test_every_suite_of_graft_composes(name: str) -> None:
    found = suite.read(name)
    assert found.summary
    assert all(cell.plain()["seed"] == cell.seed for cell in found.cells)


def test_a_tiny_suite_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tiny.yaml"
    small = "model.init=scratch, model.hidden_size=16, model.attention_heads=2, model.layers=1, model.max_length=32"
    quick = "train=smoke, train.max_steps=2, train.baselines=false, train.bootstrap_resamples=0"
    path.write_text(
        f"cells:\n  - {{task: sentiment, model: roberta, method: full, options: [{small}, {quick}]}}\n"
        f"  - {{task: sentiment, model: encoder, method: full, options: [model.checkpoint=/nowhere, train=smoke]}}\n"
    )
    words = [f"suite={path}", f"out={tmp_path / 'out'}"]
    assert program.main(words) == 1
    table = capsys.readouterr().out
    assert "roberta (scratch)" in table
    assert "- sentiment encoder full seed 0: failed. The base weights are not available" in table
    assert program.main([*words, "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["rows"][0]["n"] == 1
    assert "finished before" in err
