"""Every extension point of Graft: what a plugin may announce, and what it may watch.

A plugin is a module (or any object) with functions of these names, marked with `core.hookimpl`, and named in the
entry-point group `graft.plugins`. The built-in families are plugins like any other.

The first group of hooks is called once, when the program starts, before anything heavy is imported. Modules that
implement them should therefore import the standard library and `core` only, and leave torch and friends to the methods
of the components they return. The second group is called while a run goes on, in the process of rank 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from core.config import RunConfig
    from core.contracts import AdapterMethod, DataAdapter, Metric, ModelLoader, Optimizer
    from core.kinds import Kind, TargetType

PROJECT = "graft"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def kinds() -> Sequence[type[Kind]]:  # type: ignore[empty-body]
    """Kinds of task. Called once at start-up; returns component classes.

    Example:
        @hookimpl
        def kinds():
            return [TextClassification]
    """


@hookspec
def target_types() -> Sequence[type[TargetType]]:  # type: ignore[empty-body]
    """Types of output. Called once at start-up; returns component classes, selected with `task.target=NAME`.

    Example:
        @hookimpl
        def target_types():
            return [Ordinal]
    """


@hookspec
def model_loaders() -> Sequence[type[ModelLoader]]:  # type: ignore[empty-body]
    """Families of base models. Called once at start-up; returns component classes, selected with `model=NAME`.

    Example:
        @hookimpl
        def model_loaders():
            return [Encoder]
    """


@hookspec
def data_adapters() -> Sequence[type[DataAdapter]]:  # type: ignore[empty-body]
    """Sources of labelled examples. Called once at start-up; returns component classes, selected with `data=NAME`.

    Example:
        @hookimpl
        def data_adapters():
            return [Table, Lines]
    """


@hookspec
def adapter_methods() -> Sequence[type[AdapterMethod]]:  # type: ignore[empty-body]
    """Ways of adapting weights. Called once at start-up; returns component classes, selected with `method=NAME`.

    Example:
        @hookimpl
        def adapter_methods():
            return [Full, Head, Lora]
    """


@hookspec
def optimizers() -> Sequence[type[Optimizer]]:  # type: ignore[empty-body]
    """Optimizers. Called once at start-up; returns component classes, selected with `train.optimizer=NAME`.

    Example:
        @hookimpl
        def optimizers():
            return [Lion]
    """


@hookspec
def metrics() -> Sequence[type[Metric]]:  # type: ignore[empty-body]
    """Metrics. Called once at start-up; returns component classes, used as `metric/NAME` by presets of `metrics`.

    Example:
        @hookimpl
        def metrics():
            return [Accuracy, F1]
    """


@hookspec
def config_paths() -> Sequence[str]:  # type: ignore[empty-body]
    """Folders of presets. Called once at start-up; returns Hydra search paths, laid out like Graft's own `conf/`.

    Example:
        @hookimpl
        def config_paths():
            return ["pkg://acme.conf"]
    """


@hookspec
def run_started(config: RunConfig, directory: Path) -> None:
    """Observe: a run has been checked and its folder made. Called once a run; return values are ignored.

    Example:
        @hookimpl
        def run_started(config, directory):
            tracker.start(name=directory.name)
    """


@hookspec
def step_logged(step: int, values: Mapping[str, float], directory: Path) -> None:
    """Observe: a line of `log.jsonl` was written (every `train.log_steps` steps); values are `loss`, `lr`, `epoch`, ….

    Example:
        @hookimpl
        def step_logged(step, values):
            tracker.log(values, step=step)
    """


@hookspec
def evaluated(step: int, split: str, scores: Mapping[str, float], directory: Path) -> None:
    """Observe: an evaluation has ended. Called for `val` at each validation and for `test` once, at the end.

    Example:
        @hookimpl
        def evaluated(split, scores):
            print(split, scores)
    """


@hookspec
def run_ended(report: Mapping[str, Any], directory: Path) -> None:
    """Observe: a run has ended, well or not; `report` is what `report.json` holds (see its `status`).

    Example:
        @hookimpl
        def run_ended(report):
            tracker.finish(status=report["status"])
    """


CALLED_AT_START = (
    "kinds",
    "target_types",
    "model_loaders",
    "data_adapters",
    "adapter_methods",
    "optimizers",
    "metrics",
    "config_paths",
)
OBSERVERS = ("run_started", "step_logged", "evaluated", "run_ended")
