"""Graft as a peer: its command line, at its defaults or with some options changed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.measure import Result
from core import reporting


@dataclass(frozen=True)
class Graft:
    """A `python -m core` run.

    Attributes:
        name: Its name in files and tables.
        summary: How it differs from other peers.
        changes: Overrides in addition to the work's.
    """

    name: str = "graft"
    summary: str = "Graft at its defaults"
    changes: tuple[str, ...] = ()

    def command(self, overrides: Sequence[str], folder: Path) -> list[str]:
        """Return the command of the run, which is written to `folder/run`."""
        place = f"hydra.run.dir={folder / 'run'}"
        return [sys.executable, "-m", "core", *overrides, *self.changes, place]

    def result(self, folder: Path) -> Result:
        """Return the result from `report.json`; its `training.seconds` excludes evaluation and checkpoints."""
        report = reporting.read(folder / "run")
        training, scores = report["training"], report["scores"]["test"]
        return Result(
            train_seconds=training["seconds"],
            examples=round(report["data"]["sizes"]["train"] * training["epochs"]),
            scores={key: score["value"] for key, score in scores.items() if score.get("value") is not None},
            parameters=report["model"]["parameters"],
            precision=report["environment"]["precision"],
            data_wait_seconds=training.get("data_wait_seconds"),
            detail={"steps": training["steps"], "marks": training["marks"], "run_seconds": report["seconds"]},
        )
