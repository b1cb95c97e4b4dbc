"""The command line answers fast and imports nothing heavy."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "torch", "numpy", "transformers", "torchmetrics", "peft", "accelerate", "sklearn", "pyarrow", "datasets",
    "tokenizers", "safetensors", "huggingface_hub", "pandas",
}  # fmt: skip
PROBE = """
import json, sys
from core.cli.main import main
try:
    code = main(sys.argv[1:])
except SystemExit as error:
    code = error.code
print("\\n" + json.dumps([code, sorted(sys.modules)]))
"""
COMMANDS = [
    (["--help"], 0),
    (["list"], 0),
    (["plugins"], 0),
    (["show", "model/roberta"], 0),
    (["train.epoch=3"], 2),
    (["model=robeta"], 2),
    (["task=text_regression", "data.path=x.csv", "train.class_weights=auto"], 2),
]


@pytest.mark.parametrize(
    ("words", "code"), COMMANDS, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_nothing_heavy_is_imported(words: list[str], code: int, tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", PROBE, *words], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    ended, modules = json.loads(found.stdout.splitlines()[-1])
    assert ended == code
    assert not HEAVY & set(modules)


FLOOR = ["-c", "import hydra"]
"""The time of a minimal Hydra program; the bound is relative to it, so that it holds on slow machines."""
TIMES = 3.5
"""Composing a configuration takes about 1.6 times the floor on top of it; torch alone takes more than ten times."""


def processor_seconds(arguments: list[str], folder: Path) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Processor time of a command, which other programs on the machine disturb less than the time on the wall."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended


def relative_start(arguments: list[str], folder: Path, code: int) -> float:
    """Return the time of a command relative to the floor: the median of pairs, measured alternately."""
    ratios = []
    for _ in range(5):
        floor, _ = processor_seconds(FLOOR, folder)
        taken, ended = processor_seconds(arguments, folder)
        assert ended.returncode == code, ended.stderr
        ratios.append(taken / floor)
    return statistics.median(ratios)


@pytest.mark.parametrize(
    ("words", "code"), COMMANDS[:6], ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_command_takes_little_longer_than_hydra_alone(words: list[str], code: int, tmp_path: Path) -> None:
    assert relative_start(["-m", "core", *words], tmp_path, code) < TIMES


def test_the_bound_catches_torch(tmp_path: Path) -> None:
    slow = "import torch, sys; from core.cli.main import main; sys.exit(main(['train.epoch=3']))"
    assert relative_start(["-c", slow], tmp_path, 2) > TIMES


@pytest.mark.parametrize("heavy", ["torch", "numpy"])
def test_the_list_of_modules_catches_a_heavy_import(heavy: str, tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", f"import {heavy}\n{PROBE}", "--help"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert heavy in HEAVY & set(json.loads(found.stdout.splitlines()[-1])[1])
