"""`python -m benchmarks peers`: options, and the way from them to measurements and a table."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import words
from benchmarks.peers import measurements, text, trainer
from benchmarks.peers.graft import Graft
from benchmarks.peers.measure import Harness, Peer, environment
from core.errors import ConfigError, Problem, RunError, unknown
from core.options import option

RESULTS = Path(__file__).resolve().parents[1] / "results"
PEERS: tuple[Peer, ...] = (trainer.DEFAULTS, trainer.TUNED, Graft())


@dataclass
class Options:
    """What `peers` and `levers` take."""

    rounds: int = option(3, "How often each is measured; they alternate.", low=1)
    epochs: float = option(1.0, "Passes over the training split.", above=0)
    batch_size: int = option(32, "Examples in a step.", low=1)
    max_steps: int = option(0, "End after so many steps; 0 for no limit.", low=0)
    examples: int = option(0, "Most examples of each split; 0 for all.", low=0)
    data: str = option("auto", "auto takes SST-2 where it is.", choices=("auto", "sst2", "reviews"))
    model: str = option("minilm", "A text model with pretrained weights on this machine.")
    seed: int = option(0, "Of the first round; each further round adds 1.", low=0)
    only: str = option("", "Some of them, by name, with commas between; empty for all.")
    timeout_minutes: float = option(30.0, "The longest that one measurement may take.", above=0)
    out: str = option("", "Where the measurements go; empty for benchmarks/results/….")


def peers(asked: Sequence[str], as_json: bool) -> int:
    """Measure Graft beside other trainers; returns the exit code."""
    return command("peers", PEERS, asked, as_json)


def command(kind: str, every: Sequence[Peer], asked: Sequence[str], as_json: bool) -> int:
    """Measure and print.

    Args:
        kind: `peers` or `levers`: the folder of the results.
        every: Whom to measure.
        asked: `key=value` words.
        as_json: Whether to print JSON.
    """
    if any(word in ("-h", "--help") for word in asked):
        names = "\n".join(f"  {peer.name:<18} {peer.summary}" for peer in every)
        sys.stdout.write(f"python -m benchmarks {kind} [key=value …]\n\n{words.help_of(Options)}\n\n{names}\n")
        return 0
    options = words.options(Options, asked, kind)
    chosen = _chosen(every, options.only)
    found = _measured(kind, chosen, options)
    written = json.dumps(measurements.as_json(found), indent=2, ensure_ascii=False) + "\n"
    sys.stdout.write(written if as_json else measurements.markdown(found))
    return 1 if any(each["status"] != "completed" for each in found) else 0


def _chosen(every: Sequence[Peer], only: str) -> list[Peer]:
    named = [name.strip() for name in only.split(",") if name.strip()]
    there = [peer.name for peer in every]
    if problems := [Problem("only", *unknown("peer", name, there)) for name in named if name not in there]:
        raise ConfigError(*problems)
    return [peer for peer in every if not named or peer.name in named]


def _measured(kind: str, chosen: Sequence[Peer], options: Options) -> list[dict[str, object]]:
    data = Path(tempfile.mkdtemp(prefix="graft-data-"))
    try:
        name, sizes = text.write(options.data, data, options.examples)
        where = environment()
        results = Path(options.out) if options.out else _folder(kind, where)
        if results.is_dir() and measurements.read([results]):
            raise RunError(Problem("out", f"{results} holds measurements already.", "Give another folder: out=DIR."))
        config = {
            "data": name, **{f"{split} examples": size for split, size in sizes.items()}, "model": options.model,
            "epochs": options.epochs, "batch size": options.batch_size, "max_steps": options.max_steps,
        }  # fmt: skip
        work = text.overrides(data, options.model, options.epochs, options.batch_size, options.max_steps)
        harness = Harness(chosen, results, where, options.timeout_minutes, lambda line: print(line, file=sys.stderr))
        found = harness.run(work, options.rounds, options.seed, config)
        table = results / "README.md"
        table.write_text(f"# {kind}\n\n" + measurements.markdown(found), encoding="utf-8")
        return found
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _folder(kind: str, where: Mapping[str, object]) -> Path:
    """A new folder, named by day and hardware."""
    name = measurements.folder_name(where, f"{datetime.now(UTC):%Y-%m-%d}")
    folder, number = RESULTS / kind / name, 2
    while folder.exists():
        folder, number = RESULTS / kind / f"{name}-{number}", number + 1
    return folder
