"""The harness: each peer does the same work in a subprocess of its own, in turn, for several rounds.

A peer is anything that can be started by a command and leaves behind what it did; nothing here knows what the work is.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import psutil

from benchmarks import processes
from benchmarks.peers.measurements import SCHEMA
from core.errors import GraftError, RunError

ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENT = """
import json
from core.runtime.hardware import Hardware; from core.runtime.versions import describe
print(json.dumps(describe(Hardware.resolve())))
"""


@dataclass(frozen=True)
class Result:
    """What a peer did.

    Attributes:
        train_seconds: Time in training alone: no imports, loading, tokenising, evaluation or saving.
        examples: Training examples seen in that time, repeats counted.
        scores: On the test split, by metric.
        parameters: `total` and `trainable`.
        precision: Of the matrix products.
        data_wait_seconds: The part of the training time in which the loop waited for its next batch; None if unknown.
        detail: Whatever else belongs into the record.
    """

    train_seconds: float
    examples: float
    scores: Mapping[str, float]
    parameters: Mapping[str, int]
    precision: str
    data_wait_seconds: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


class Peer(Protocol):
    """One way to do the work.

    The work is stated once, as overrides of Graft's own command line (task, data, model, epochs, batch size, seed), so
    that a peer of another library reads the very same examples and options through `core.config.resolve`.
    """

    @property
    def name(self) -> str:
        """One word, for files and tables."""
        ...

    @property
    def summary(self) -> str:
        """What is particular about it."""
        ...

    def command(self, overrides: Sequence[str], folder: Path) -> list[str]:
        """The process that does the work; it may write into `folder` only."""
        ...

    def result(self, folder: Path) -> Result:
        """What it left behind."""
        ...


@dataclass(frozen=True)
class Harness:
    """Rounds of measurements.

    Attributes:
        peers: Measured in this order in every round.
        results: One JSON file a measurement is written here.
        environment: Hardware and versions, for the record.
        timeout_minutes: The longest that one may take.
        say: Told one line a measurement.
        at_once: How many run at the same time; above 1 they disturb each other, and only their scores are worth a look.
    """

    peers: Sequence[Peer]
    results: Path
    environment: Mapping[str, Any]
    timeout_minutes: float
    say: Callable[[str], None]
    at_once: int = 1

    def run(self, overrides: Sequence[str], rounds: int, seed: int, config: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Measure every peer once a round, in turn; round r has the seed `seed + r - 1` for all.

        Args:
            overrides: The work, but for the seed.
            rounds: How often.
            seed: Of the first round.
            config: What was asked for, for the record.
        """
        turns = [(number, peer) for number in range(1, rounds + 1) for peer in self.peers]

        def take(turn: tuple[int, Peer]) -> dict[str, Any]:
            number, peer = turn
            work = [*overrides, f"seed={seed + number - 1}"]
            entry = {"schema": SCHEMA, "round": number, "peer": peer.name, "summary": peer.summary}
            entry |= {"config": dict(config), "environment": dict(self.environment), "at_once": self.at_once}
            entry |= measure(peer, work, self.timeout_minutes)
            self._keep(entry)
            self.say(f"round {number}/{rounds}  {peer.name:<18} {_brief(entry)}")
            return entry

        if self.at_once == 1:
            return [take(turn) for turn in turns]  # in this thread, where an interruption ends the process too
        with ThreadPoolExecutor(self.at_once) as pool:
            return list(pool.map(take, turns))

    def _keep(self, entry: Mapping[str, Any]) -> None:
        self.results.mkdir(parents=True, exist_ok=True)
        path = self.results / f"round{entry['round']}-{entry['peer']}.json"
        path.write_text(json.dumps(entry, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _brief(entry: Mapping[str, Any]) -> str:
    if entry["status"] != "completed":
        return f"failed: {entry['error'].splitlines()[-1] if entry['error'] else 'no word'}"
    return f"{entry['examples_per_second']:.1f} examples/s, {entry['wall_seconds']:.0f} s in all"


def measure(peer: Peer, overrides: Sequence[str], timeout_minutes: float) -> dict[str, Any]:
    """Do the work once in a fresh process, a fresh folder and a fresh cache."""
    folder = Path(tempfile.mkdtemp(prefix="graft-peers-"))
    try:
        command = peer.command(overrides, folder)
        busy = psutil.cpu_percent(interval=1.0)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        ended = processes.run(command, folder, timeout_minutes * 60, conditions(folder))
        entry: dict[str, Any] = {
            "status": "completed",
            "error": None,
            "started": started,
            "command": readable(command, folder),
            "work": readable(overrides, folder),
            "others_busy_percent": busy,
            "exit_code": ended.code,
            "wall_seconds": ended.seconds,
            "peak_rss_mb": ended.peak_rss_mb,
        }
        return entry | _outcome(peer, folder, ended)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _outcome(peer: Peer, folder: Path, ended: processes.Ended) -> dict[str, Any]:
    if ended.code != 0 or ended.timed_out:
        limit = "ran past its limit\n" if ended.timed_out else ""
        return {"status": "failed", "error": limit + readable([processes.tail(folder)], folder, quote=False)}
    try:
        result = peer.result(folder)
    except (OSError, KeyError, ValueError, GraftError) as error:
        return {"status": "failed", "error": f"left no result: {type(error).__name__}: {error}"}
    return {
        "train_seconds": result.train_seconds,
        "examples": result.examples,
        "examples_per_second": round(result.examples / max(result.train_seconds, 1e-9), 2),
        "scores": dict(result.scores),
        "parameters": dict(result.parameters),
        "precision": result.precision,
        "data_wait_seconds": result.data_wait_seconds,
        "detail": dict(result.detail),
    }


def conditions(folder: Path) -> dict[str, str]:
    """The environment of every peer: offline, with an empty cache, threads as torch chooses them."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return dict(os.environ) | {
        "PYTHONPATH": path,
        "GRAFT_CACHE": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def readable(command: Sequence[str], folder: Path, quote: bool = True) -> str:
    """A command as a person would type it, without the paths of this machine."""
    text = shlex.join(command) if quote else " ".join(command)
    for path, name in ((sys.executable, "python"), (str(folder), "RUN"), (str(ROOT), ".")):
        text = text.replace(path, name)
    return re.sub(r'\b(data\.\w+=)(?:(")[^"]*/|/\S*/)', r"\1\2DATA/", text)


def environment() -> dict[str, Any]:
    """Hardware and versions, asked of a process of its own, so that this one stays small and idle."""
    asked = subprocess.run(
        [sys.executable, "-c", _ENVIRONMENT], capture_output=True, text=True, env=conditions(Path("/nonexistent"))
    )
    if asked.returncode != 0:
        raise RunError(f"the environment cannot be described: {asked.stderr.strip()}")
    found: dict[str, Any] = json.loads(asked.stdout.splitlines()[-1])
    found.pop("platform", None)  # a kernel's build name says more about the machine than about the speed
    return found
