"""The Python example trains, and its report is complete."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "python_api.py"
IN_FOLDER = "import pathlib, runpy, sys; runpy.run_path(sys.argv[1])['main'](pathlib.Path(sys.argv[2]))"


def test_python_api(tmp_path: Path) -> None:
    """In a process of its own and an unrelated folder, as a user would."""
    command = [sys.executable, "-c", IN_FOLDER, str(EXAMPLE), str(tmp_path)]
    environment = {**os.environ, "GRAFT_CACHE": str(tmp_path / "cache")}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "f1_macro on the validation split" in result.stdout

    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["status"] == "completed"
    assert report["init"] == "scratch"
    assert (
        report["scores"]["test"]["f1_macro"]["value"] > report["scores"]["baselines"]["majority"]["f1_macro"]["value"]
    )
    assert report["scores"]["test"]["accuracy"]["value"] == pytest.approx(1.0, abs=0.25)
