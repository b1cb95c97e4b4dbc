"""`python -m benchmarks ablation`: Graft at its defaults, with each speed option off, and with all of them off."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers import command
from benchmarks.peers.graft import Graft

ALL = "everything-off"


def variants(levers: Sequence[str]) -> list[Graft]:
    """Return Graft at its defaults, with each speed option off, and with all of them off."""
    single = [Graft(name(change), f"{change}, all other options at their defaults", (change,)) for change in levers]
    return [Graft(), *single, Graft(ALL, " ".join(levers), tuple(levers))]


def name(change: str) -> str:
    """Return an override such as `train.precision=fp32` as one word for files and tables: `precision-fp32`."""
    return change.partition(".")[2].replace("=", "-").replace("_", "-")


def ablation(asked: Sequence[str], as_json: bool) -> int:
    """Run the ablation and return the exit code."""
    work, rest = command.chosen_work(asked)
    return command.command("ablation", work, variants(work.levers), rest, as_json)
