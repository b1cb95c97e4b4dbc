"""The embedded digits, whole runs at their defaults: they learn what they should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny


def trained(folder: Path, *words: str) -> dict[str, Any]:
    """A run with all processors, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "core", "task=digits", f"hydra.run.dir={folder}", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tiny.report(folder)


def test_resnet_from_scratch(tmp_path: Path) -> None:
    report = trained(tmp_path / "run", "model=resnet")
    assert report["init"] == "scratch"
    assert report["scores"]["test"]["accuracy"]["value"] >= 0.97
    assert report["scores"]["baselines"]["pixels_linear"]["accuracy"]["value"] > 0.9
    assert report["self_test"]["passed"]


@pytest.mark.nightly
def test_vit_from_scratch(tmp_path: Path) -> None:
    assert trained(tmp_path / "run", "model=vit")["scores"]["test"]["accuracy"]["value"] >= 0.93
