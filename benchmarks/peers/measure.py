"""The harness: all peers do the same work in separate subprocesses, alternating for several rounds.

A peer is any command that leaves its result in a folder. The harness does not depend on the work.
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
    """The result of a peer.

    Attributes:
        train_seconds: Time in training alone, without imports, loading, tokenization, evaluation and saving.
        examples: Number of training examples in that time, repeats included.
        scores: Scores on the test split, by metric.
        parameters: Numbers of parameters, `total` and `trainable`.
        precision: Data type of matrix products.
        data_wait_seconds: Time in training spent waiting for batches; None if unknown.
        detail: Other values for the record.
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

    The work is given as overrides of Graft's command line (task, data, model, epochs, batch size, seed). Peers of other
    libraries read the same examples and options through `core.config.resolve`.
    """

    @property
    def name(self) -> str:
        """The peer's name in files and tables, one word."""
        ...

    @property
    def summary(self) -> str:
        """How it differs from other peers."""
        ...

    def command(self, overrides: Sequence[str], folder: Path) -> list[str]:
        """Return the command that does the work; it may write into `folder` only."""
        ...

    def result(self, folder: Path) -> Result:
        """Return the result that the command wrote."""
        ...


@dataclass(frozen=True)
class Harness:
    """Rounds of measurements.

    Attributes:
        peers: The peers, in the order of every round.
        results: The folder for one JSON file per measurement.
        environment: Hardware and versions, for the record.
        timeout_minutes: Time limit of one measurement.
        say: Prints one line per measurement.
        at_once: Number of simultaneous measurements; above 1 they disturb each other, and only scores are valid.
    """

    peers: Sequence[Peer]
    results: Path
    environment: Mapping[str, Any]
    timeout_minutes: float
    say: Callable[[str], None]
    at_once: int = 1

    def run(self, overrides: Sequence[str], rounds: int, seed: int, config: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Measure every peer once per round and return the measurements; round r uses the seed `seed + r - 1`.

        Args:
            overrides: The work, without the seed.
            rounds: Number of rounds.
            seed: Seed of the first round.
            config: The options, for the record.
        """
        turns = [(number, peer) for number in range(1, rounds + 1) for peer in self.peers]

        def take(turn: tuple[int, Peer]) -> dict[str, Any]:
            number, peer = turn
            of_round = seed + number - 1
            work = [*overrides, f"seed={of_round}"]
            entry = {"schema": SCHEMA, "round": number, "seed": of_round, "peer": peer.name, "summary": peer.summary}
            entry |= {"config": dict(config), "environment": dict(self.environment), "at_once": self.at_once}
            entry |= measure(peer, work, self.timeout_minutes)
            self._keep(entry)
            self.say(f"round {number}/{rounds}  {peer.name:<18} {_brief(entry)}")
            return entry

        if self.at_once == 1:
            return [take(turn) for turn in turns]  # in this thread, so that an interrupt also ends the process
        with ThreadPoolExecutor(self.at_once) as pool:
            return list(pool.map(take, turns))

    def _keep(self, entry: Mapping[str, Any]) -> None:
        self.results.mkdir(parents=True, exist_ok=True)
        path = self.results / f"round{entry['round']}-{entry['peer']}.json"
        path.write_text(json.dumps(entry, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _brief(entry: Mapping[str, Any]) -> str:
    if entry["status"] != "completed":
        return f"failed: {entry['error'].splitlines()[-1] if entry['error'] else 'no message'}"
    return f"{entry['examples_per_second']:.1f} examples/s, {entry['wall_seconds']:.0f} s in all"


def measure(peer: Peer, overrides: Sequence[str], timeout_minutes: float) -> dict[str, Any]:
    """Do the work once in a new process with an empty folder and an empty cache, and return the measurement."""
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
        limit = "exceeded its time limit\n" if ended.timed_out else ""
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
    """Return the environment of every peer: offline, with an empty cache and torch's default threads."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    return dict(os.environ) | {
        "PYTHONPATH": path,
        "GRAFT_CACHE": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def readable(command: Sequence[str], folder: Path, quote: bool = True) -> str:
    """Return a command as a person would type it, without paths of this machine."""
    text = shlex.join(command) if quote else " ".join(command)
    for path, name in ((sys.executable, "python"), (str(folder), "RUN"), (str(ROOT), ".")):
        text = text.replace(path, name)
    return re.sub(r'\b(data\.\w+=)(?:(")[^"]*/|/\S*/)', r"\1\2DATA/", text)


def environment() -> dict[str, Any]:
    """Return hardware and versions, determined in a subprocess, so that this process stays small and idle."""
    asked = subprocess.run(
        [sys.executable, "-c", _ENVIRONMENT], capture_output=True, text=True, env=conditions(Path("/nonexistent"))
    )
    if asked.returncode != 0:
        raise RunError(f"the environment cannot be described: {asked.stderr.strip()}")
    found: dict[str, Any] = json.loads(asked.stdout.splitlines()[-1])
    found.pop("platform", None)  # a kernel's build name identifies the machine and does not affect the speed
    return found
