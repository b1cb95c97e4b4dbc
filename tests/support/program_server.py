"""`python -m core` as separate processes that start at once: forked from one that has imported everything.

Each process has its own folder, environment and output, and can be signalled and killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

TOY = Path(__file__).with_name("graft_toy.py")


@dataclass
class Ended:
    """How a process ended: its exit code (negative for a signal) and what it wrote."""

    code: int
    out: str
    err: str


class Process:
    """One `python -m core`."""

    def __init__(self, program: Program, number: int, pid: int, folder: Path) -> None:
        self._program, self._number, self.pid, self._folder = program, number, pid, folder

    def signal(self, number: int) -> None:
        """Send a signal; a process that has ended already is left alone."""
        self._program.ask(do="signal", number=self._number, signal=int(number))

    def wait(self, seconds: float = 120.0) -> Ended:
        """Wait for its end; it is killed when it takes longer."""
        deadline = time.monotonic() + seconds
        while (code := self._program.ask(do="poll", number=self._number)["code"]) is None:
            if time.monotonic() > deadline:
                self.signal(signal.SIGKILL)
                raise AssertionError(f"did not end within {seconds} s; it wrote:\n{self._text('err')}")
            time.sleep(0.02)
        return Ended(code, self._text("out"), self._text("err"))

    def until(self, condition: Any, seconds: float = 60.0) -> None:
        """Wait until a condition holds, or it has ended."""
        deadline = time.monotonic() + seconds
        while not condition() and self._program.ask(do="poll", number=self._number)["code"] is None:
            assert time.monotonic() < deadline, f"waited {seconds} s in vain; it wrote:\n{self._text('err')}"
            time.sleep(0.01)

    def _text(self, name: str) -> str:
        path = self._folder / f"{self._number}.{name}"
        # Where it was killed before it could open its output, there is none.
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


class Program:
    """Starts processes."""

    def __init__(self, folder: Path, parent: subprocess.Popen[str]) -> None:
        self._folder, self._parent, self._count = folder, parent, 0

    @classmethod
    @contextmanager
    def started(cls, folder: Path) -> Iterator[Program]:
        """Import everything once; end what is left at the end."""
        environment = os.environ | {"GRAFT_PLUGINS": str(TOY)}
        command = [sys.executable, str(Path(__file__)), str(folder)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as it:
            try:
                yield cls(folder, it)
            finally:
                assert it.stdin is not None
                it.stdin.close()
                it.wait(30)

    def ask(self, **question: Any) -> dict[str, Any]:
        """One question to the parent of all processes."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(question) + "\n")
        self._parent.stdin.flush()
        answer: dict[str, Any] = json.loads(self._parent.stdout.readline())
        return answer

    def start(
        self,
        *words: object,
        cwd: Path | str | None = None,
        unread: bool = False,
        hidden: Sequence[str] = (),
        path: Sequence[Path | str] = (),
        **environment: str,
    ) -> Process:
        """Start `python -m core WORDS`.

        Args:
            words: Of the command line.
            cwd: The folder that it starts in; None for one of all such processes.
            unread: Whether its output goes into a pipe that nobody reads any more.
            hidden: Packages that are not installed for it.
            path: Folders that it finds more packages in.
            environment: Variables of its own. An empty `GRAFT_PLUGINS` leaves out the toy plugin.
        """
        self._count += 1
        where = str(cwd or self._folder)
        answer = self.ask(
            do="start",
            number=self._count,
            words=[str(word) for word in words],
            cwd=where,
            env=environment,
            unread=unread,
            hidden=list(hidden),
            path=[str(each) for each in path],
        )
        return Process(self, self._count, answer["pid"], self._folder)

    def run(self, *words: object, seconds: float = 120.0, **options: Any) -> Ended:
        """Run `python -m core WORDS` to its end; the options are those of `start`."""
        return self.start(*words, **options).wait(seconds)

    def killed_and_resumed(self, words: Sequence[object], folder: Path, after: float = 0.2) -> tuple[Path, Path]:
        """Two runs of the same words in a folder: one to its end, and one killed after its first checkpoints, resumed.

        Args:
            words: A command line without the run's folder.
            folder: For both.
            after: Seconds from the checkpoints to the kill.

        Returns:
            Both runs; their scores and the bytes of their weights are the same.
        """
        whole, killed = folder / "whole", folder / "killed"
        ended = self.run(*words, f"hydra.run.dir={whole}")
        assert ended.code == 0, ended.err
        process = self.start(*words, f"hydra.run.dir={killed}")
        process.until(lambda: killed.is_dir() and len(list((killed / "checkpoints").glob("*"))) > 1)
        time.sleep(after)
        process.signal(signal.SIGKILL)
        assert process.wait().code != 0
        ended = self.run("resume", killed)
        assert ended.code == 0, ended.err
        first, second = ((run / "model" / "model.safetensors").read_bytes() for run in (whole, killed))
        assert first == second
        scores = [json.loads((run / "report.json").read_text())["scores"] for run in (whole, killed)]
        assert scores[0] == scores[1]
        return whole, killed


# --- the parent of all processes ------------------------------------------------------------------------------------


def _serve(folder: Path) -> None:
    """Answer questions, one JSON object a line, until the input ends."""
    _import_everything()
    pids: dict[int, int] = {}
    codes: dict[int, int] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        number, answer = asked["number"], {}
        if asked["do"] == "start":
            pids[number] = _fork(folder, asked)
            answer = {"pid": pids[number]}
        elif asked["do"] == "signal":
            if _poll(pids[number], number, codes) is None:
                os.kill(pids[number], asked["signal"])
        else:
            answer = {"code": _poll(pids[number], number, codes)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for number, pid in pids.items():
        if _poll(pid, number, codes) is None:
            os.kill(pid, signal.SIGKILL)


def _import_everything() -> None:
    for name in (
        "accelerate", "peft", "torch._dynamo", "torchmetrics", "transformers.models.bert.modeling_bert",
        "core.runs.evaluate",
        "core.config.compose", "core.inference.predictor", "core.training.loop", "core.runs.run", "core.runs.load",
        "plugins.metrics.scorers.label_counts",
        "plugins.text.loading", "sklearn.linear_model", "timm", "torchvision", "plugins.images.loading",
    ):  # fmt: skip
        import_module(name)


def _poll(pid: int, number: int, codes: dict[int, int]) -> int | None:
    if number not in codes:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            codes[number] = os.waitstatus_to_exitcode(status)
    return codes.get(number)


def _fork(folder: Path, asked: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        for name, target in (("out", 1), ("err", 2)):
            file = os.open(folder / f"{asked['number']}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, target)
        if asked["unread"]:
            read, write = os.pipe()
            os.close(read)
            os.dup2(write, 1)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
        os.chdir(asked["cwd"])
        os.environ.update(asked["env"])
        sys.path[:0] = asked["path"]
        _hide(set(asked["hidden"]))
        sys.argv = ["graft", *asked["words"]]
        from core.cli.main import main

        try:
            code = main()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            import traceback

            traceback.print_exc()
        with suppress(OSError):
            sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _hide(packages: set[str]) -> None:
    """Let imports and look-ups find none of some packages."""
    assert not packages & {name.partition(".")[0] for name in sys.modules}
    find = PathFinder.find_spec

    def find_others(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return None if name.partition(".")[0] in packages else find(name, path, target)

    PathFinder.find_spec = staticmethod(find_others)  # type: ignore[assignment]


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
