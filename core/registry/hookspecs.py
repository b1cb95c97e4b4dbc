"""The hooks of Graft: what a plugin can add, and what it can observe.

A plugin is a module (or any object) with functions of these names, marked with `core.hookimpl`, and named in the
entry-point group `graft.plugins`. The built-in families are plugins like any other.

Graft calls the first group of hooks once, at the start, before it imports anything heavy. Modules that implement them
should therefore import the standard library and `core` only. Import torch inside the methods of your components. Graft
calls the second group during a run, in the process of rank 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from core.contracts.components import AdapterMethod, DataAdapter, Metric, ModelLoader, Optimizer, RunConfig
    from core.tasks.targets.target import TargetType
    from core.tasks.task_type import TaskType

PROJECT = "graft"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def task_types() -> Sequence[type[TaskType]]:  # type: ignore[empty-body]
    """Return task types: component classes, selected with `task.type=NAME`. Called once at the start.

    Example:
        @hookimpl
        def task_types():
            return [TextClassification]
    """


@hookspec
def target_types() -> Sequence[type[TargetType]]:  # type: ignore[empty-body]
    """Return target types: component classes, selected with `task.target=NAME`. Called once at the start.

    Example:
        @hookimpl
        def target_types():
            return [Ordinal]
    """


@hookspec
def model_loaders() -> Sequence[type[ModelLoader]]:  # type: ignore[empty-body]
    """Return model loaders: component classes, selected with `model=NAME`. Called once at the start.

    Example:
        @hookimpl
        def model_loaders():
            return [Encoder]
    """


@hookspec
def data_adapters() -> Sequence[type[DataAdapter]]:  # type: ignore[empty-body]
    """Return data adapters: component classes, selected with `data=NAME`. Called once at the start.

    Example:
        @hookimpl
        def data_adapters():
            return [Table, Lines]
    """


@hookspec
def adapter_methods() -> Sequence[type[AdapterMethod]]:  # type: ignore[empty-body]
    """Return adapter methods: component classes, selected with `method=NAME`. Called once at the start.

    Example:
        @hookimpl
        def adapter_methods():
            return [Full, Head, Lora]
    """


@hookspec
def optimizers() -> Sequence[type[Optimizer]]:  # type: ignore[empty-body]
    """Return optimizers: component classes, selected with `train.optimizer=NAME`. Called once at the start.

    Example:
        @hookimpl
        def optimizers():
            return [Lion]
    """


@hookspec
def metrics() -> Sequence[type[Metric]]:  # type: ignore[empty-body]
    """Return metrics: component classes, used as `metric/NAME` in presets of `metrics`. Called once at the start.

    Example:
        @hookimpl
        def metrics():
            return [Accuracy, F1]
    """


@hookspec
def config_paths() -> Sequence[str]:  # type: ignore[empty-body]
    """Return folders of presets: Hydra search paths with the layout of Graft's `conf/`. Called once at the start.

    Example:
        @hookimpl
        def config_paths():
            return ["pkg://acme.conf"]
    """


@hookspec
def run_started(config: RunConfig, directory: Path) -> None:
    """Observe that a run starts. Called once per run, after the checks, when its folder exists.

    Example:
        @hookimpl
        def run_started(config, directory):
            tracker.start(name=directory.name)
    """


@hookspec
def step_logged(step: int, values: Mapping[str, float], directory: Path) -> None:
    """Observe a line of `log.jsonl`: `loss`, `lr`, `epoch`, …. Called every `train.log_steps` steps.

    Example:
        @hookimpl
        def step_logged(step, values):
            tracker.log(values, step=step)
    """


@hookspec
def evaluated(step: int, split: str, scores: Mapping[str, float], directory: Path) -> None:
    """Observe the end of an evaluation. Called for `val` at each validation, and once for `test` at the end.

    Example:
        @hookimpl
        def evaluated(split, scores):
            print(split, scores)
    """


@hookspec
def run_ended(report: Mapping[str, Any], directory: Path) -> None:
    """Observe the end of a run, completed or not; `report` is what `report.json` contains. Called once per run.

    Example:
        @hookimpl
        def run_ended(report):
            tracker.finish(status=report["status"])
    """


CALLED_AT_START = (
    "task_types",
    "target_types",
    "model_loaders",
    "data_adapters",
    "adapter_methods",
    "optimizers",
    "metrics",
    "config_paths",
)
OBSERVERS = ("run_started", "step_logged", "evaluated", "run_ended")
