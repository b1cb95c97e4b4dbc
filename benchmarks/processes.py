"""Run and measure a subprocess: in a separate session, with a time limit, output in files and peak memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.05
GRACE_SECONDS = 30.0
"""Seconds that a process may take to write its checkpoint after SIGTERM, before it is killed."""
TAIL_LINES = 12


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: Exit code, or the negative number of the signal that killed it.
        seconds: Wall time from start to end, including the interpreter's start.
        peak_rss_mb: Peak resident memory, in MiB, of the process or of any child that it waited for.
        timed_out: Whether it was ended because it exceeded its time limit.
    """

    code: int
    seconds: float
    peak_rss_mb: float = 0.0
    timed_out: bool = False


def run(
    command: Sequence[str], folder: Path, timeout_seconds: float, environment: Mapping[str, str] | None = None
) -> Ended:
    """Run a command to its end, with its output in `stdout.txt` and `stderr.txt` of `folder`.

    Args:
        command: The program and its arguments.
        folder: The folder, created if missing.
        timeout_seconds: Time limit; then SIGTERM, and later SIGKILL.
        environment: The whole environment; None for this process's environment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    started, timed_out = time.monotonic(), False
    with (folder / "stdout.txt").open("wb") as out, (folder / "stderr.txt").open("wb") as err:
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, start_new_session=True
        )
        try:
            ended = _wait(process, timeout_seconds)
            if ended is None:
                timed_out, ended = True, _stop(process)
        except BaseException:
            if process.returncode is None:
                _stop(process)
            raise
    seconds = time.monotonic() - started
    return Ended(ended[0], round(seconds, 3), ended[1], timed_out)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> tuple[int, float] | None:
    """Return exit code and peak memory in MiB; None if it still runs. `Popen.wait` would not return the memory."""
    end = time.monotonic() + seconds
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            scale = 1024 if sys.platform != "darwin" else 1024 * 1024
            return process.returncode, round(usage.ru_maxrss / scale, 1)
        if time.monotonic() >= end:
            return None
        time.sleep(POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """End the process and its children with SIGTERM, later with SIGKILL; return exit code and peak memory in MiB."""
    os.killpg(process.pid, signal.SIGTERM)
    ended = _wait(process, GRACE_SECONDS)
    if ended is None:
        os.killpg(process.pid, signal.SIGKILL)
        ended = _wait(process, float("inf"))
    assert ended is not None
    return ended


def tail(folder: Path) -> str:
    """Return the last lines of a process's standard error."""
    path = folder / "stderr.txt"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return "\n".join(lines[-TAIL_LINES:])
