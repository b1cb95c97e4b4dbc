"""One subprocess, measured: a session of its own, a time limit, its output in files, its peak memory."""

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
"""How long a process may take to write its checkpoint after SIGTERM, before it is killed."""
TAIL_LINES = 12


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: Exit code; the negative number of the signal that killed it.
        seconds: Wall time from start to end, the interpreter's start included.
        peak_rss_mb: Largest resident memory, in MiB, of the process or of any child that it waited for.
        timed_out: Whether it was ended for running past its limit.
    """

    code: int
    seconds: float
    peak_rss_mb: float = 0.0
    timed_out: bool = False


def run(
    command: Sequence[str], folder: Path, timeout_seconds: float, environment: Mapping[str, str] | None = None
) -> Ended:
    """Run to the end, with standard output and standard error in `stdout.txt` and `stderr.txt` of `folder`.

    Args:
        command: The program and its arguments.
        folder: Made where it does not exist.
        timeout_seconds: After this, SIGTERM, and SIGKILL if that does not help.
        environment: The whole environment; this process's own where None.
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
    """Exit code and peak memory in MiB; None where it runs on. `wait4` because `Popen.wait` drops the memory."""
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
    """Ask the process and its children to end, then make them."""
    os.killpg(process.pid, signal.SIGTERM)
    ended = _wait(process, GRACE_SECONDS)
    if ended is None:
        os.killpg(process.pid, signal.SIGKILL)
        ended = _wait(process, float("inf"))
    assert ended is not None
    return ended


def tail(folder: Path) -> str:
    """The last lines of a process's standard error."""
    path = folder / "stderr.txt"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return "\n".join(lines[-TAIL_LINES:])
