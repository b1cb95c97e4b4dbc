"""Shared by all tests: no network, a cache for the session, the toy plugin, and processes that start at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # what tests compute is small: more threads only wait for each other

from program_server import Program

TESTS = Path(__file__).resolve().parent
PROCESSES = 2


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the whole suite in two processes, a file at a time, in their order; parts of it in this one.

    Starting the processes takes some seconds, which a part does not repay. `-n` and `--pdb` win.
    """
    option = config.option
    whole = all(Path(str(each)).resolve() in (TESTS, TESTS.parent) for each in config.args)
    free = getattr(option, "numprocesses", 0) is None and not (option.usepdb or option.collectonly)
    if free and whole and not hasattr(config, "workerinput") and (os.cpu_count() or 1) > 1:
        option.numprocesses = PROCESSES
        option.dist = "loadfile"
    if hasattr(option, "loadscopereorder"):
        option.loadscopereorder = False  # slow files come first in the alphabet, and have few tests


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing that a test does touches the user's cache, nor is a user's plugin part of it."""
    before = {name: os.environ.get(name) for name in ("GRAFT_CACHE", "GRAFT_PLUGINS", "GRAFT_DISABLE", "GRAFT_STRICT")}
    for name in before:
        os.environ.pop(name, None)
    os.environ["GRAFT_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """`python -m core` in processes of their own, forked from one that has imported everything already."""
    with Program.started(tmp_path_factory.mktemp("program")) as started:
        yield started


@pytest.fixture
def toy() -> Iterator[None]:
    """The toy plugin's components, registered for as long as the test runs."""
    import graft_toy

    from core.config.compose import install
    from core.registry.registry import load_registry

    install()
    with graft_toy.registered(load_registry()):
        yield


@pytest.fixture
def vectors() -> Iterator[None]:
    """The target types of `vector_target`, registered for as long as the test runs."""
    import vector_target

    with vector_target.registered():
        yield


@pytest.fixture
def graft(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The command line in this process: `code, out, err = graft("list", "model")`, in an empty folder."""
    from core.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["graft"])
        try:
            code = main([str(word) for word in words])
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        out, err = capsys.readouterr()
        return code, out, err

    return call
