"""What a comparison is made of: work that is stated once, and the peers that do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers.measure import Peer
from core.options import option


@dataclass(kw_only=True)
class Options:
    """What every comparison takes."""

    rounds: int = option(3, "How often each is measured; they alternate.", low=1)
    batch_size: int = option(32, "Examples in a step.", low=1)
    max_steps: int = option(0, "End after so many steps; 0 for no limit.", low=0)
    examples: int = option(0, "Most examples of each split; 0 for all.", low=0)
    seed: int = option(0, "Of the first round; each further round adds 1.", low=0)
    only: str = option("", "Some of them, by name, with commas between; empty for all.")
    timeout_minutes: float = option(30.0, "The longest that one measurement may take.", above=0)
    at_once: int = option(1, "How many run at the same time; above 1, for scores alone: speeds are not shown.", low=1)
    out: str = option("", "Where the measurements go; empty for benchmarks/results/….")


@dataclass(frozen=True)
class Told:
    """The work, as peers and records are told of it.

    Attributes:
        overrides: Words of Graft's command line, but for the seed.
        config: What was asked for, for the record.
        suffix: Sets the folder of its results apart from those of the same day and machine.
    """

    overrides: Sequence[str]
    config: dict[str, Any] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True)
class Work:
    """One kind of work.

    Attributes:
        kind: What is written after `kind=`.
        options: What can be asked for.
        tell: From those options and an empty folder, which lives as long as the measurements, to the work.
        peers: Who does it, in the order of a round.
        levers: Overrides that switch one of Graft's speed options off each.
    """

    kind: str
    options: type[Options]
    tell: Callable[[Any, Path], Told]
    peers: tuple[Peer, ...]
    levers: tuple[str, ...]
