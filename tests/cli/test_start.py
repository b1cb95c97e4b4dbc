"""How soon the command line answers, and that nothing heavy is imported for it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = {
    "torch", "numpy", "transformers", "torchmetrics", "peft", "accelerate", "sklearn", "pyarrow", "datasets",
    "tokenizers", "safetensors", "huggingface_hub", "pandas",
}  # fmt: skip
PROBE = """
import json, sys
from core.cli import main
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


@pytest.mark.parametrize(
    ("words", "code"), COMMANDS[:5], ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_an_answer_within_a_second(words: list[str], code: int, tmp_path: Path) -> None:
    """Wall time, the best of three; on a machine whose processors are all taken, the time of this process alone."""
    import resource

    best = float("inf")
    for _ in range(3):
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        ended = subprocess.run(
            [sys.executable, "-m", "core", *words], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        assert ended.returncode == code, ended.stderr
        best = min(best, wall, max(used, 0.5 * wall))
        if best < 1.0:
            break
    assert best < 1.0
