"""The command `resume`: continue an interrupted run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from core.config.presets import PresetFolders


def resume(arguments: Sequence[str], folders: PresetFolders) -> int:
    """Resume an interrupted run."""
    parser = argparse.ArgumentParser(
        "graft resume", description="Resume an interrupted run. The result is the same as without the interruption."
    )
    parser.add_argument("run", help="the run's folder")
    args = parser.parse_args(arguments)
    from core.cli.main import print_failure
    from core.runs.run import resume as resume_run

    try:
        resume_run(Path(args.run))
    except Exception as error:
        return print_failure(error)
    return 0
