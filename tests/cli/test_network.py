"""The quick start uses no network, and writes only the run and Graft's cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import text_runs

QUICK_START = ["task=sentiment", "model=roberta", "train=smoke", "hydra.run.dir=run"]
ISOLATED = ["unshare", "-n", "sh", "-c", 'ip link set lo up 2>/dev/null || ifconfig lo up 2>/dev/null; exec "$@"', "sh"]


@pytest.fixture
def isolate() -> list[str]:
    """A command prefix that gives a command a network with only the loopback interface."""
    tried = (
        subprocess.run([*ISOLATED, "true"], capture_output=True, text=True, check=False)
        if shutil.which("unshare")
        else None
    )
    if tried is None or tried.returncode:
        pytest.skip(f"unshare -n is not permitted here: {tried.stderr.strip() if tried else 'there is no unshare'}")
    return ISOLATED


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    return tmp_path / "home"


def environment(home: Path, **more: str) -> dict[str, str]:
    """As on a fresh machine."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "VIRTUAL_ENV", "PYTHONPATH")}
    kept["TMPDIR"] = str(home.parent / "tmp")
    (home.parent / "tmp").mkdir(exist_ok=True)
    return kept | {"HOME": str(home), "GRAFT_CACHE": str(home.parent / "cache"), "PYTHONDONTWRITEBYTECODE": "1"} | more


def quick_start(prefix: list[str], home: Path, run: str, **more: str) -> tuple[subprocess.CompletedProcess[str], float]:
    words = [word.replace("=run", f"={run}") if word.startswith("hydra") else word for word in QUICK_START]
    started = time.monotonic()
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "core", *words],
        cwd=home.parent / "work", env=environment(home, **more), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, time.monotonic() - started


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_the_quick_start_needs_no_network_and_opens_no_socket(isolate: list[str], home: Path) -> None:
    """With HF_HUB_OFFLINE: no internet socket. Without it: a delay of at most five seconds."""
    trace = home.parent / "trace"
    tracing = shutil.which("strace")
    prefix = [*isolate, "strace", "-f", "-qq", "-e", "trace=socket,connect", "-o", str(trace)] if tracing else isolate
    done, _ = quick_start(prefix, home, "offline", HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    report = text_runs.report(home.parent / "work" / "offline")
    assert (report["status"], report["init"]) == ("completed", "scratch")
    assert "HF_HUB_OFFLINE is set" in done.stderr
    if tracing:
        calls = [line for line in trace.read_text().splitlines() if re.search(r"AF_INET6?\b", line)]
        assert calls == []
    assert files(home) == []
    written = {name.partition("/")[0] for name in files(home.parent)} - {"trace"}
    assert written <= {"work", "cache"}
    assert {name.partition("/")[0] for name in files(home.parent / "work")} == {"offline"}

    done, _ = quick_start(isolate, home, "unreachable")
    assert done.returncode == 0, done.stderr
    assert "cannot be reached" in done.stderr
    assert files(home) == []
    loaded = text_runs.report(home.parent / "work" / "unreachable")["model"]["load_seconds"]
    assert loaded <= report["model"]["load_seconds"] + 5.0
    if not tracing:
        pytest.skip("strace is not installed, so sockets were not checked")


def test_a_name_server_that_never_answers_delays_little(isolate: list[str], tmp_path: Path) -> None:
    code = (
        "import socket, time; socket.getaddrinfo = lambda *a, **k: time.sleep(60);"
        "from core.pretrained.resolve import find_weights; s = time.monotonic();"
        "found = find('org/name'); print(found.provenance.init, time.monotonic() - s)"
    )
    kept = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"} | {"HOME": str(tmp_path)}
    done = subprocess.run([*isolate, sys.executable, "-c", code], env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    init, seconds = done.stdout.split()
    assert init == "scratch"
    assert float(seconds) < 5.0
