"""A run that is killed or interrupted at any instant can be resumed, and ends like an uninterrupted one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import text_runs
import torch
from program_server import TOY, Ended, Process, Program
from safetensors.torch import load_file

STEPS = 24
OPTIONS = (
    "train.checkpoint_steps=2", "train.evals_per_epoch=2", "train.ema=0.9", "train.epochs=8",
    f"train.max_steps={STEPS}", "train.micro_batch_size=5", "train.patience_evals=0",
)  # fmt: skip


@pytest.fixture(scope="session")
def reference(program: Program, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An uninterrupted run, and how to start others like it."""
    folder = tmp_path_factory.mktemp("kills")
    words = text_runs.words(text_runs.table(folder / "reviews.csv"), *OPTIONS)
    assert program.run("--version").code == 0  # the first command also waits for the server to start
    started = time.monotonic()
    ended = program.run(*words, f"hydra.run.dir={folder / 'reference'}")
    assert ended.code == 0, ended.err
    return {"words": words, "run": folder / "reference", "folder": folder, "seconds": time.monotonic() - started}


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model" / "model.safetensors")


def assert_same(run: Path, reference: Path) -> None:
    """Bit for bit the same weights, and the same scores."""
    assert (run / "model" / "model.safetensors").read_bytes() == (
        reference / "model" / "model.safetensors"
    ).read_bytes()
    one, other = text_runs.report(run), text_runs.report(reference)
    assert one["status"] == other["status"] == "completed"
    assert one["scores"] == other["scores"]
    assert one["tables"] == other["tables"]
    first, second = ([(entry["step"], entry["val"]) for entry in each["training"]["history"]] for each in (one, other))
    assert first == second
    assert (run / "predictions.jsonl").read_bytes() == (reference / "predictions.jsonl").read_bytes()
    logs = [[row.get("loss") for row in text_runs.lines((each / "log.jsonl").read_text())] for each in (run, reference)]
    assert logs[0] == logs[1]


Start = Callable[[str], tuple[Process, Path]]


@pytest.fixture
def start(program: Program, reference: dict[str, Any]) -> Start:
    def begin(name: str) -> tuple[Process, Path]:
        run = reference["folder"] / name
        return program.start(*reference["words"], f"hydra.run.dir={run}"), run

    return begin


def resumed(program: Program, run: Path) -> Ended:
    ended = program.run("resume", run)
    assert ended.code == 0, ended.err
    return ended


def kill_at_random(program: Program, reference: dict[str, Any], start: Start, seed: int) -> None:
    """Kill it at random moments after its folder was made, up to four times, and resume; it must have been killed."""
    draw, kills = random.Random(seed), 0
    process, run = start(f"killed-{seed}-0")
    for attempt in range(1, 20):
        process.until((run / "report.json").is_file)
        # Each attempt that came too late shortens the wait: the reference may have run while the machine was busier.
        time.sleep(draw.uniform(0, reference["seconds"] / (attempt - kills)))
        process.signal(signal.SIGKILL)
        if process.wait().code == -signal.SIGKILL:
            kills += 1
            process = program.start("resume", run)
            if kills == 4:
                break
        elif kills:
            break  # the run ended before the next kill
        else:
            process, run = start(f"killed-{seed}-{attempt}")
    assert kills
    ended = process.wait()
    just_done = ended.code == 2 and "is complete; there is nothing to resume" in ended.err  # killed while it ended
    assert ended.code == 0 or just_done, ended.err
    assert_same(run, reference["run"])
    print(f"killed {kills} times")


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_a_random_moment_it_ends_the_same(
    program: Program, reference: dict[str, Any], start: Start, seed: int
) -> None:
    kill_at_random(program, reference, start, seed)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(2, 23))
def test_killed_at_many_random_moments_it_ends_the_same(
    program: Program, reference: dict[str, Any], start: Start, seed: int
) -> None:
    kill_at_random(program, reference, start, seed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_an_interrupted_run_writes_a_checkpoint_and_prints_how_to_resume(
    program: Program, reference: dict[str, Any], start: Start, number: signal.Signals
) -> None:
    process, run = start(number.name)
    process.until(lambda: any((run / "checkpoints").glob("step-*.json")))
    process.signal(number)
    ended = process.wait()
    assert ended.code == 130, ended.err
    assert f"python -m core resume {run}" in ended.err
    assert "Traceback" not in ended.err
    assert text_runs.report(run)["status"] == "interrupted"
    assert not (run / "model").exists()
    resumed(program, run)
    assert_same(run, reference["run"])


@pytest.fixture(scope="module")
def killed_run(program: Program, reference: dict[str, Any]) -> Path:
    """A run that was killed after two checkpoints."""
    run: Path = reference["folder"] / "killed"
    process = program.start(*reference["words"], f"hydra.run.dir={run}")
    process.until(lambda: len(list((run / "checkpoints").glob("step-*.json"))) >= 2)
    process.signal(signal.SIGKILL)
    process.wait()
    if (run / "model").exists():
        pytest.fail("it ended before it could be killed; make it longer")
    return run


@pytest.mark.parametrize(
    "tear",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(path.read_bytes()[:-100] + b"\x01" * 100),
        lambda path: path.with_suffix(".json").write_text(path.with_suffix(".json").read_text()[:-40]),
    ],
    ids=["truncated", "overwritten", "manifest"],
)
def test_with_a_damaged_checkpoint_the_previous_one_is_used(
    program: Program, reference: dict[str, Any], killed_run: Path, tmp_path: Path, tear: Any
) -> None:
    run = Path(shutil.copytree(killed_run, tmp_path / "run"))
    *_, before, newest = sorted((run / "checkpoints").glob("step-*.json"))
    tear(newest.with_suffix(".safetensors"))
    ended = resumed(program, run)
    assert f"resuming from step {int(before.stem[-8:])}" in ended.err
    assert_same(run, reference["run"])


def test_a_run_killed_before_its_first_checkpoint_starts_over(
    program: Program, reference: dict[str, Any], start: Start
) -> None:
    process, run = start("early")
    process.until((run / "report.json").is_file)
    process.signal(signal.SIGKILL)
    process.wait()
    assert text_runs.report(run)["status"] == "running"
    resumed(program, run)
    assert_same(run, reference["run"])


def test_a_killed_run_has_no_model_to_predict_with(program: Program, start: Start) -> None:
    process, run = start("unfinished")
    process.until((run / "report.json").is_file)
    process.signal(signal.SIGKILL)
    process.wait()
    ended = program.run("predict", run, "a text")
    assert ended.code == 2
    assert "has no finished model: its status is running." in ended.err


def test_two_runs_with_one_seed_are_the_same_and_another_seed_is_not(
    program: Program, reference: dict[str, Any], start: Start
) -> None:
    process, run = start("again")
    assert process.wait().code == 0
    assert_same(run, reference["run"])
    other = reference["folder"] / "other"
    assert program.run(*reference["words"], f"hydra.run.dir={other}", "seed=1").code == 0
    one, two = weights(other), weights(reference["run"])
    assert any(not torch.equal(value, two[name]) for name, value in one.items() if value.shape == two[name].shape)


def test_a_real_process_killed_and_resumed(program: Program, tmp_path: Path) -> None:
    """The same with a real process `python -m core`; the toy avoids heavy imports."""
    run, whole = tmp_path / "run", tmp_path / "whole"
    words = [
        "data=words", "model=toy", "method=whole", "model.step_seconds=0.01", "train.max_steps=60", "train.epochs=30",
        "train.checkpoint_steps=2", "train.bootstrap_resamples=10",
    ]  # fmt: skip
    ended = program.run(*words, f"hydra.run.dir={whole}")
    assert ended.code == 0, ended.err
    environment = os.environ | {"GRAFT_PLUGINS": str(TOY)}
    command = [sys.executable, "-m", "core"]
    with subprocess.Popen(
        [*command, *words, f"hydra.run.dir={run}"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as process:
        while process.poll() is None and not any((run / "checkpoints").glob("step-*.json")):
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    done = subprocess.run([*command, "resume", str(run)], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert text_runs.report(run)["resumed"] == 1
    assert_same(run, whole)


def test_a_closed_pipe_does_not_fail_the_run(program: Program, reference: dict[str, Any]) -> None:
    """`python -m core … | true`: the run still completes."""
    run = reference["folder"] / "piped"
    ended = program.start(*reference["words"], "train.max_steps=1", f"hydra.run.dir={run}", unread=True).wait()
    assert "Traceback" not in ended.err
    assert text_runs.report(run)["status"] == "completed"
