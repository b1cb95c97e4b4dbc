"""The command `resume`: continue an interrupted run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from core.config.presets import PresetFolders


def resume(words: Sequence[str], folders: PresetFolders) -> int:
    """Resume an interrupted run."""
    parser = argparse.ArgumentParser(
        "graft resume", description="Resume an interrupted run. The result is the same as without the interruption."
    )
    parser.add_argument("run", help="the run's folder")
    asked = parser.parse_args(words)
    from core.cli.main import say_failure
    from core.runs.run import resume as go_on

    try:
        go_on(Path(asked.run))
    except Exception as error:
        return say_failure(error)
    return 0
