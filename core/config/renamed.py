"""Old names and their new ones: for errors on the command line, and to read the folders of older runs.

An entry has an effect only if the new name exists and the old one does not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

_DETECTORS = {"least_score": "score_threshold", "most_objects": "max_detections", "nms_iou": "nms_threshold"}
_LORA = {"initialisation": "init", "b_rate": "loraplus_lr_ratio"}

OPTIONS: Mapping[str, Mapping[str, str]] = {
    "task": {"kind": "type"},
    "model/torchvision": _DETECTORS,
    "model/ultralytics": _DETECTORS,
    "method/lora": _LORA,
    "method/qlora": _LORA,
    "method/lora8": _LORA,
    "method/oft": {"block": "block_size"},
    "data/digit_scenes": {"smallest": "min_size", "largest": "max_size", "draw": "scenes_seed"},
}
"""Options, by `task`, `train` or GROUP/COMPONENT."""

CHOICES: Mapping[str, Mapping[str, str]] = {}
"""Names of components and presets, by group, such as `model` or `task`."""

HOOKS: Mapping[str, str] = {"kinds": "task_types"}
"""Hooks of plugins."""


def new_option(place: str, options: type[Any], old: str) -> str | None:
    """Return the current name of an option, or None if `old` is not the old name of an option.

    Args:
        place: `task`, `train` or GROUP/COMPONENT.
        options: The dataclass of the options.
        old: The name that the user gave.
    """
    new = OPTIONS.get(place, {}).get(old)
    names = {each.name for each in dataclasses.fields(options)}
    return new if new in names and old not in names else None


def new_choice(group: str, old: str, names: Iterable[str]) -> str | None:
    """Return the current name of a component or preset, or None if `old` is not an old name of one."""
    new, known = CHOICES.get(group, {}).get(old), set(names)
    return new if new in known and old not in known else None


def new_hook(failure: str) -> str:
    """Return a hint if a plugin failed because it implements a renamed hook, else an empty text."""
    for old, new in HOOKS.items():
        if f"unknown hook {old!r}" in failure:
            return f"The hook {old} was renamed to {new}."
    return ""


def translated(
    plain: Mapping[str, Any], tables: Mapping[str, type[Any]], components: Mapping[str, Mapping[str, type[Any]]]
) -> tuple[dict[str, Any], list[str]]:
    """Return a stored configuration with current names, and what was renamed in it, as `old -> new`.

    Args:
        plain: Nested plain values, as in `config.yaml` and in the `config` of `report.json`.
        tables: The dataclasses of `task` and `train`.
        components: Component classes by group and name.
    """
    notices: list[str] = []
    result = dict(plain)
    for place, options in tables.items():
        if isinstance(result.get(place), Mapping):
            result[place] = _options(result[place], place, options, place, notices)
    for group, known in components.items():
        if isinstance(result.get(group), Mapping):
            result[group] = _component(result[group], group, known, group, notices)
    metrics = result.get("metrics")
    if isinstance(metrics, Mapping):
        known = components.get("metric", {})
        result["metrics"] = {
            key: _component(each, "metric", known, f"metrics.{key}", notices) if isinstance(each, Mapping) else each
            for key, each in metrics.items()
        }
    return result, notices


def _component(
    values: Mapping[str, Any], group: str, known: Mapping[str, type[Any]], where: str, notices: list[str]
) -> Mapping[str, Any]:
    """Return the values of a component with current names; appends what was renamed to `notices`."""
    name = values.get("component")
    if isinstance(name, str) and (new := new_choice(group, name, known)):
        notices.append(f"{where}={name} -> {where}={new}")
        values, name = {**values, "component": new}, new
    if not isinstance(name, str) or name not in known:
        return values
    return _options(values, f"{group}/{name}", known[name], where, notices)


def _options(
    values: Mapping[str, Any], place: str, options: type[Any], where: str, notices: list[str]
) -> Mapping[str, Any]:
    """Return the values under their current names, in the same order; a value under a current name stays unchanged."""
    result = {}
    for key, value in values.items():
        new = new_option(place, options, key)
        if new is None or new in values:
            result[key] = value
        else:
            result[new] = value
            notices.append(f"{where}.{key} -> {where}.{new}")
    return result
