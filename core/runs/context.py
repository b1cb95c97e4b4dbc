"""The context of a run: its folder, report, log, signals and observers."""

from __future__ import annotations

import math
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from core.config.serialization import config_text, difference, in_present_names, read_config, to_plain
from core.contracts.components import EXTENSION_POINTS
from core.errors import GraftError, Interrupted, Problem, RunError
from core.files import unwritable, write_json, write_text
from core.registry.registry import load_registry
from core.reporting import report as record
from core.reporting.console import Bar, Screen
from core.reporting.log import Log
from core.reporting.run_directory import CHECKPOINTS, CONFIG, LOG, REPORT
from core.training.checkpoints import Checkpoints

if TYPE_CHECKING:
    from core.contracts.components import RunConfig
    from core.runtime.hardware import Hardware


def default_directory(config: RunConfig) -> Path:
    """Return a readable, unique folder: `runs/TASK/MODEL-METHOD/DATE-TIME-xxxx`."""
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    task = config.task.name or config.task.type
    return Path("runs") / task / f"{config.model.name}-{config.method.name}" / f"{now}-{secrets.token_hex(2)}"


@dataclass
class Context:
    """The context of one run; it is also the `Watch` of the training loop.

    Attributes:
        config: The checked configuration.
        directory: The run's folder.
        hardware: Device, precision, processes.
        screen: Prints to the terminal.
        choices: The preset chosen in each group, if known.
        resuming: Whether this process resumes an earlier run.
        report: The content of `report.json`; `record` adds to it and writes it.
        bar: The progress bar while the run trains, else None.
    """

    config: RunConfig
    directory: Path
    hardware: Hardware
    screen: Screen
    choices: dict[str, str] = field(default_factory=dict)
    resuming: bool = False
    report: dict[str, Any] = field(default_factory=dict)
    bar: Bar | None = None
    _signal: int = 0
    _started: float = field(default_factory=time.monotonic)
    _failed_observers: set[str] = field(default_factory=set)

    @property
    def writes(self) -> bool:
        """Whether this process writes files: only rank 0 does."""
        return self.hardware.rank == 0

    @property
    def checkpoints(self) -> Checkpoints:
        """The run's checkpoints."""
        return Checkpoints(self.directory / CHECKPOINTS)

    @property
    def log(self) -> Log:
        """The run's log."""
        return Log(self.directory / LOG)

    def stop_requested(self) -> bool:
        """Return whether a signal asked the run to stop."""
        return self._signal != 0

    def check_interrupted(self, done: int) -> None:
        """Stop an evaluation if a signal asked for it; `resume` reruns the evaluation.

        Raises:
            Interrupted: A signal asked the run to stop.
        """
        if self._signal and self.hardware.world == 1:
            raise Interrupted

    def stepped(self, step: int) -> None:
        """Advance the progress bar."""
        if self.bar is not None:
            self.bar.advance(step)

    def logged(self, values: Mapping[str, float]) -> None:
        """Write a line of the log, show it, and call the observers."""
        if not self.writes:
            return
        self.log.write(values)
        if self.bar is not None:
            self.bar.describe(values)
        self.notify("step_logged", step=int(values["step"]), values=dict(values))

    def evaluated(self, step: int, split: str, scores: Mapping[str, float]) -> None:
        """Write an evaluation to the log, print it, and call the observers."""
        if not self.writes:
            return
        self.log.write({"step": step, "split": split, "scores": dict(scores)})
        if split == "val":
            primary = self.config.task.primary
            self.screen.say(f"validation  step {step}  {primary} {scores.get(primary, math.nan):.4f}")
        self.notify("evaluated", step=step, split=split, scores=dict(scores))

    def notify(self, observer: str, **values: Any) -> None:
        """Call an observer hook. If it fails, print a warning, continue the run, and do not call it again."""
        if observer in self._failed_observers or not self.writes:
            return
        try:
            getattr(load_registry().hook, observer)(**values, directory=self.directory)
        except Exception as error:  # the failure of a tracker must not end the training
            self._failed_observers.add(observer)
            self.screen.warn(
                f"an observer of {observer} failed and is not called again: {type(error).__name__}: {error}"
            )

    def record(self, **entries: Any) -> None:
        """Add entries to the report and write it."""
        self.report |= entries
        self.report["seconds"] = round(time.monotonic() - self._started, 2)
        if self.writes:
            write_json(self.directory / REPORT, self.report)

    @contextmanager
    def opened(self) -> Iterator[Context]:
        """Create the folder, write the first report, and handle signals. If the run fails, record it in the report.

        Raises:
            RunError: The folder contains another run or cannot be written, or the configuration has changed on resume.
        """
        self._make_folder()
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        try:
            for number in _SIGNALS:
                signal.signal(number, self._on_signal)
        except ValueError:  # not the main thread: the caller handles signals
            handlers = {}
        try:
            self.notify("run_started", config=self.config)
            yield self
        except BaseException as error:
            self._record_failure(error)
            raise
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._signal:  # the second signal ends the run immediately
            raise KeyboardInterrupt
        self._signal = number
        self.screen.say(
            f"{signal.Signals(number).name}: writing a checkpoint, then stopping (repeat to stop immediately)"
        )

    def _make_folder(self) -> None:
        """Create the folder with `config.yaml` and the first report; on resume, check that both still fit."""
        report = self.directory / REPORT
        if self.resuming:
            before = record.read(self.directory)
            _refuse_changes(self.directory, before, self.config)
            self.report = before | {"status": "running", "resumed": before.get("resumed", 0) + 1}
            self.report.pop("error", None)
        elif report.exists():
            cure = f"python -m core resume {self.directory}, or choose another folder."
            raise RunError(Problem(str(self.directory), "already contains a run.", cure))
        else:
            choices = _component_names(self.config) | self.choices
            self.report = {
                "schema": record.SCHEMA,
                "status": "running",
                "name": " ".join(filter(None, map(choices.get, ("task", "model", "method")))),
                "choices": choices,
                "primary": self.config.task.primary,
                "confidence": self.config.train.confidence,
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "config": to_plain(self.config),
                "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            }
        self._started -= self.report.get("seconds", 0.0)
        if self.writes:
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise unwritable(self.directory, error) from error
            if not self.resuming:
                write_text(self.directory / CONFIG, config_text(self.config))
        self.record()

    def _record_failure(self, error: BaseException) -> None:
        """Record in the report that the run was interrupted or failed."""
        interrupted = isinstance(error, Interrupted | KeyboardInterrupt)
        if interrupted:
            self.screen.say(f"interrupted; to resume: python -m core resume {self.directory}")
        text = error.report() if isinstance(error, GraftError) else f"{type(error).__name__}: {error}"
        ended = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            self.record(
                status="interrupted" if interrupted else "failed", error=None if interrupted else text, ended=ended
            )
        except RunError:
            return  # a full disk ended the run and cannot store the report either; it still says `running`
        self.notify("run_ended", report=self.report)


def _component_names(config: RunConfig) -> dict[str, str]:
    """Return the name of the task and of each component."""
    names = {group: getattr(config, group).name for group in EXTENSION_POINTS}
    return {"task": config.task.name or config.task.type, **names}


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _refuse_changes(directory: Path, before: Mapping[str, Any], config: RunConfig) -> None:
    """Refuse to resume a complete run, or a run whose configuration has changed.

    Raises:
        RunError: The run is complete, or the configurations differ.
    """
    if before["status"] == "completed":
        raise RunError(Problem(str(directory), "is complete; there is nothing to resume."))
    changes = difference(in_present_names(before["config"])[0], to_plain(config))
    if changes:
        cure = f"Restore {CONFIG}, or start a new run."
        raise RunError(
            Problem(
                str(directory), "cannot be resumed with another configuration:\n    " + "\n    ".join(changes), cure
            )
        )


def refuse_other_data(directory: Path, before: Mapping[str, Any] | None, fingerprint: str) -> None:
    """Refuse to resume a run on data that has changed.

    Raises:
        RunError: The fingerprints differ.
    """
    if before is not None and before["fingerprint"] != fingerprint:
        was, now = before["fingerprint"][:12], fingerprint[:12]
        message = f"cannot be resumed: the data has changed (its fingerprint was {was} and is {now})."
        raise RunError(Problem(str(directory), message, "Restore the data, or start a new run."))


def resumable(directory: Path) -> RunConfig:
    """Return the configuration of a run to resume, read from its folder.

    Raises:
        RunError: The folder is not a run's.
    """
    record.read(directory)
    return read_config(directory / CONFIG)
