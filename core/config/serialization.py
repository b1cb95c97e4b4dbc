"""Convert a configuration to plain values and `config.yaml`, with the name of each component, and back."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.component import Component
from core.config.renamed import translated
from core.contracts.components import EXTENSION_POINTS, RunConfig
from core.contracts.train_config import TrainConfig
from core.errors import ConfigError, Problem, RunError, nearest
from core.options import Limits, limits
from core.registry.registry import load_registry
from core.tasks.task import Task

NAME = "component"


def to_plain(config: RunConfig) -> dict[str, Any]:
    """Return a configuration as nested plain values, with absolute paths; `from_plain` is the inverse."""
    plain: dict[str, Any] = {"task": _fields(config.task)}
    for group in EXTENSION_POINTS:
        plain[group] = _component(getattr(config, group))
    plain["metrics"] = {key: _component(metric) for key, metric in config.metrics.items()}
    return plain | {"train": _fields(config.train), "seed": config.seed}


def _component(component: Component) -> dict[str, Any]:
    return {NAME: component.name, **_fields(component)}


def _fields(instance: Any) -> dict[str, Any]:
    values = {}
    for each in dataclasses.fields(instance):
        value = getattr(instance, each.name)
        if isinstance(value, str) and value and _is_local(value, limits(each)):
            value = str(Path.cwd() / Path(value).expanduser())
        values[each.name] = value
    return values


def _is_local(value: str, declared: Limits) -> bool:
    return declared.path or (declared.folder and Path(value).expanduser().is_dir())


def config_text(config: RunConfig) -> str:
    """Return the text of `config.yaml`."""
    from core.config.yaml import to_yaml

    return to_yaml(to_plain(config))


def read_config(path: Path) -> RunConfig:
    """Return the configuration in a `config.yaml`, checked as strictly as one from the command line.

    Raises:
        RunError: There is no such file.
        ConfigError: A key or a component is unknown, or a value has the wrong type.
    """
    from core.config.yaml import from_yaml

    if not path.is_file():
        raise RunError(Problem(str(path), "does not exist.", "Give the folder that a run printed."))
    plain, renamed = in_present_names(from_yaml(path.read_text(encoding="utf-8")))
    if renamed:
        sys.stderr.write(f"graft: {path} was written by an older version; renamed on reading: {', '.join(renamed)}\n")
    return from_plain(plain, str(path))


def in_present_names(plain: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a stored configuration with current names, and what was renamed in it, as `old -> new`.

    Args:
        plain: What `to_plain` returned for the run, possibly in an older version.
    """
    return translated(plain, {"task": Task, "train": TrainConfig}, load_registry().components)


def from_plain(plain: Mapping[str, Any], source: str) -> RunConfig:
    """Return the configuration that `to_plain` converted.

    Args:
        plain: Nested plain values.
        source: Where they came from, for messages.

    Raises:
        ConfigError: The values have problems; all are listed.
    """
    from core.config.yaml import typed

    problems: list[Problem] = []

    def build(schema: type[Any], values: Any, where: str) -> Any:
        names = [each.name for each in dataclasses.fields(schema)]
        for key in [key for key in values if key not in names and key != NAME]:
            close = nearest(key, names)
            problems.append(
                Problem(f"{where}.{key}", "is not an option.", f"Did you mean {close!r}?" if close else "", source)
            )
        try:
            return typed(schema, {key: value for key, value in values.items() if key in names})
        except ConfigError as error:
            problems.extend(dataclasses.replace(p, where=f"{where}.{p.where}", source=source) for p in error.problems)
            return None

    def component(group: str, values: Any, where: str) -> Any:
        if not isinstance(values, Mapping) or NAME not in values:
            problems.append(Problem(where, f"does not name its component (`{NAME}: …`).", "", source))
            return None
        return build(load_registry().get(group, values[NAME]), values, where)

    built = {group: component(group, plain.get(group), group) for group in EXTENSION_POINTS}
    metrics = {key: component("metric", values, f"metrics.{key}") for key, values in plain.get("metrics", {}).items()}
    task, train = build(Task, plain.get("task", {}), "task"), build(TrainConfig, plain.get("train", {}), "train")
    if problems:
        raise ConfigError(*problems)
    return RunConfig(task=task, metrics=metrics, train=train, seed=int(plain.get("seed", 0)), **built)


def difference(before: Any, after: Any, where: str = "") -> list[str]:
    """Return the differences of two nested plain values: one line per leaf, such as `train.epochs: 3.0 -> 5.0`."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        keys = [*before, *(key for key in after if key not in before)]
        return [
            line for key in keys for line in difference(before.get(key), after.get(key), f"{where}.{key}".lstrip("."))
        ]
    return [] if before == after else [f"{where}: {before!r} -> {after!r}"]
