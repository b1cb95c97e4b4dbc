"""`python -m benchmarks ablation`: Graft with one of its speed options switched off at a time, beside its defaults."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers import command
from benchmarks.peers.graft import Graft

ALL = "everything-off"


def variants(levers: Sequence[str]) -> list[Graft]:
    """Graft at its defaults, with each lever off, and with all of them off."""
    single = [Graft(name(change), f"{change}, all else at its defaults", (change,)) for change in levers]
    return [Graft(), *single, Graft(ALL, " ".join(levers), tuple(levers))]


def name(change: str) -> str:
    """`train.precision=fp32` as one word for files and tables: `precision-fp32`."""
    return change.partition(".")[2].replace("=", "-").replace("_", "-")


def ablation(asked: Sequence[str], as_json: bool) -> int:
    """Measure; returns the exit code."""
    work, rest = command.chosen_work(asked)
    return command.command("ablation", work, variants(work.levers), rest, as_json)
