"""A full or read-only disk ends a run with a clear message, and complete files are kept."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import text_runs
from program_server import Program

Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a small disk: `mount("4m")`; `mount("4m", again="ro")` makes it read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def call(size: str, again: str = "") -> Path:
        options = f"remount,{again}" if again else f"size={size}"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False) if shutil.which("mount") else None
        if done is None or done.returncode:
            pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip() if done else 'there is no mount'}")
        return folder

    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    yield call
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return text_runs.table(tmp_path / "reviews.csv")


WIDE = ("model.hidden_size=128", "train.checkpoint_steps=2", "train.ema=0.9")


@pytest.fixture(scope="session")
def reference(program: Program, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """A command line, and the files that it writes if there is enough space."""
    folder = tmp_path_factory.mktemp("disks")
    words = text_runs.words(text_runs.table(folder / "reviews.csv"), *WIDE)
    assert program.run(*words, f"hydra.run.dir={folder / 'run'}").code == 0
    return words, folder / "run"


@pytest.mark.parametrize("size", ["1m", "6m", "9m"])
def test_a_full_disk_ends_with_a_clear_message_and_the_run_can_be_resumed(
    program: Program, mount: Mount, reference: tuple[list[str], Path], size: str
) -> None:
    """About 1 MB of weights, 4 MB per checkpoint, 1 MB for the best weights, 1 MB and a tokenizer for the model."""
    words, whole = reference
    run = mount(size) / "run"
    ended = program.run(*words, f"hydra.run.dir={run}")
    assert ended.code == 2, ended.err
    assert "Traceback" not in ended.err
    assert "cannot be written" in ended.err
    assert str(run) in ended.err
    assert "Free some space" in ended.err
    left = text_runs.report(run)
    assert left["status"] in ("failed", "running")
    assert not list(run.rglob("*.partial"))
    mount(size, again="size=100m")
    resumed = program.run("resume", run)
    assert resumed.code == 0, resumed.err
    one, other = (each / "model" / "model.safetensors" for each in (run, whole))
    assert one.read_bytes() == other.read_bytes()
    assert text_runs.report(run)["scores"] == text_runs.report(whole)["scores"]


def test_a_disk_without_any_space_ends_with_a_clear_message(program: Program, mount: Mount, table: Path) -> None:
    disk = mount("64k")
    (disk / "full").write_bytes(b"x" * 65536)
    ended = program.run(*text_runs.words(table), f"hydra.run.dir={disk / 'run'}")
    assert ended.code == 2, ended.err
    assert "Traceback" not in ended.err
    assert "cannot be" in ended.err


def test_a_read_only_folder_ends_with_a_clear_message(program: Program, mount: Mount, table: Path) -> None:
    disk = mount("4m")
    mount("4m", again="ro")
    ended = program.run(*text_runs.words(table), f"hydra.run.dir={disk / 'run'}")
    assert ended.code == 2, ended.err
    assert "Traceback" not in ended.err
    assert "Read-only file system" in ended.err
    assert "hydra.run.dir" in ended.err


def test_a_folder_that_becomes_read_only_ends_with_a_clear_message_and_loses_nothing(
    program: Program, mount: Mount, table: Path
) -> None:
    run = mount("50m") / "run"
    words = [
        "data=words",
        "model=toy",
        "method=whole",
        "model.step_seconds=0.02",
        "train.max_steps=400",
        "train.epochs=99",
    ]
    process = program.start(*words, "train.checkpoint_steps=1", f"hydra.run.dir={run}")
    process.until(lambda: any((run / "checkpoints").glob("step-*.json")))
    done = subprocess.run(["mount", "-o", "remount,ro", str(run.parent)], capture_output=True, check=False)
    if done.returncode:  # a file is being written at this very moment
        subprocess.run(["mount", "-o", "remount,ro", str(run.parent)], capture_output=True, check=False)
    ended = process.wait()
    if ended.code == 0:
        pytest.skip("the disk could not be made read-only while it was in use")
    assert ended.code == 2, ended.err
    assert "Traceback" not in ended.err
    assert "Read-only file system" in ended.err
    assert text_runs.report(run)["status"] == "running"
    again = program.run("resume", run)
    assert again.code == 2
    assert "Read-only file system" in again.err
    mount("50m", again="rw,size=50m")
    assert program.run("resume", run).code == 0
    assert text_runs.report(run)["status"] == "completed"


def test_predictions_go_elsewhere_when_the_disk_of_the_run_is_read_only(
    program: Program, mount: Mount, table: Path, tmp_path: Path
) -> None:
    """A finished run is only read: it predicts from a read-only disk."""
    disk = mount("20m")
    words = ["data=words", "model=toy", "method=whole", "train.max_steps=2"]
    assert program.run(*words, f"hydra.run.dir={disk / 'run'}").code == 0
    mount("20m", again="ro")
    ended = program.run("predict", disk / "run", "w1 w2 calm", "--output", tmp_path / "out.jsonl")
    assert ended.code == 0, ended.err
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 1
