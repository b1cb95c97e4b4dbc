"""The definition of a comparison: the work, and the peers that do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers.measure import Peer
from core.options import option


@dataclass(kw_only=True)
class Options:
    """The options of every comparison."""

    rounds: int = option(3, "Number of rounds; the peers alternate.", low=1)
    batch_size: int = option(32, "Number of examples per step.", low=1)
    max_steps: int = option(0, "Maximum number of steps; 0 for no limit.", low=0)
    examples: int = option(0, "Maximum number of examples per split; 0 for all.", low=0)
    seed: int = option(0, "Seed of the first round; each further round adds 1.", low=0)
    only: str = option("", "Names of peers, separated by commas; empty for all.")
    timeout_minutes: float = option(30.0, "Time limit of one measurement.", above=0)
    at_once: int = option(1, "Number of simultaneous measurements; above 1, only scores are shown.", low=1)
    out: str = option("", "Folder of the measurements; empty for benchmarks/results/….")


@dataclass(frozen=True)
class WorkDescription:
    """The work for peers and records.

    Attributes:
        overrides: Graft's command line, without the seed.
        config: The options, for the record.
        suffix: Distinguishes the folder of results from others of the same day and machine.
    """

    overrides: Sequence[str]
    config: dict[str, Any] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True)
class Comparison:
    """A comparison on one modality.

    Attributes:
        kind: The value of `kind=`.
        options: The class of its options.
        describe: Maps the options and an empty folder, which exists during the measurements, to the work.
        peers: The peers, in the order of a round.
        levers: Overrides, each of which switches one of Graft's speed options off.
    """

    kind: str
    options: type[Options]
    describe: Callable[[Any, Path], WorkDescription]
    peers: tuple[Peer, ...]
    levers: tuple[str, ...]
