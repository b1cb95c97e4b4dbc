"""`python -m benchmarks levers`: Graft with one of its speed options switched off at a time, beside its defaults."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers import command
from benchmarks.peers.graft import Graft

LEVERS = ("train.precision=fp32", "train.bucket_by_length=false", "train.fast_dropout=false")
"""What switches each option of speed off. One that is on by default belongs here as soon as it is an option."""
ALL = "everything-off"


def variants() -> list[Graft]:
    """Graft at its defaults, with each lever off, and with all of them off."""
    single = [Graft(name(change), f"{change}, all else at its defaults", (change,)) for change in LEVERS]
    return [Graft(), *single, Graft(ALL, " ".join(LEVERS), LEVERS)]


def name(change: str) -> str:
    """`train.precision=fp32` as one word for files and tables: `precision-fp32`."""
    return change.removeprefix("train.").replace("=", "-").replace("_", "-")


def levers(asked: Sequence[str], as_json: bool) -> int:
    """Measure; returns the exit code."""
    return command.command("levers", variants(), asked, as_json)
