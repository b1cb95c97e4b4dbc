"""Names that were renamed, old to new: for errors on the command line, and for reading the folders of older runs.

An entry takes effect once the new name exists and the old one does not; until then it does nothing.
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
"""Options: by `task`, `train` or EXTENSION POINT/COMPONENT."""

CHOICES: Mapping[str, Mapping[str, str]] = {}
"""Names of components and presets: by group, such as `model` or `task`."""

HOOKS: Mapping[str, str] = {"kinds": "task_types"}
"""Hooks of plugins."""


def new_option(place: str, options: type[Any], old: str) -> str | None:
    """Return the present name of an option, or None where `old` is not the former name of one.

    Args:
        place: `task`, `train` or EXTENSION POINT/COMPONENT.
        options: The dataclass of the options.
        old: The name that somebody used.
    """
    new = OPTIONS.get(place, {}).get(old)
    names = {each.name for each in dataclasses.fields(options)}
    return new if new in names and old not in names else None


def new_choice(group: str, old: str, names: Iterable[str]) -> str | None:
    """Return the present name of a component or preset, or None where `old` is not the former name of one."""
    new, known = CHOICES.get(group, {}).get(old), set(names)
    return new if new in known and old not in known else None


def new_hook(failure: str) -> str:
    """Return a hint for the failure of a plugin that implements a renamed hook; else an empty text."""
    for old, new in HOOKS.items():
        if f"unknown hook {old!r}" in failure:
            return f"The hook {old} was renamed to {new}."
    return ""


def translated(
    plain: Mapping[str, Any], tables: Mapping[str, type[Any]], components: Mapping[str, Mapping[str, type[Any]]]
) -> tuple[dict[str, Any], list[str]]:
    """Return a stored configuration in present names, and what was renamed in it, as `old -> new`.

    Args:
        plain: Nested plain values, as `config.yaml` and the `config` of `report.json` hold them.
        tables: The dataclasses of `task` and `train`.
        components: Component classes by extension point and name.
    """
    notices: list[str] = []
    result = dict(plain)
    for place, options in tables.items():
        if isinstance(result.get(place), Mapping):
            result[place] = _options(result[place], place, options, place, notices)
    for socket, known in components.items():
        if isinstance(result.get(socket), Mapping):
            result[socket] = _component(result[socket], socket, known, socket, notices)
    metrics = result.get("metrics")
    if isinstance(metrics, Mapping):
        known = components.get("metric", {})
        result["metrics"] = {
            key: _component(each, "metric", known, f"metrics.{key}", notices) if isinstance(each, Mapping) else each
            for key, each in metrics.items()
        }
    return result, notices


def _component(
    values: Mapping[str, Any], socket: str, known: Mapping[str, type[Any]], where: str, notices: list[str]
) -> Mapping[str, Any]:
    name = values.get("component")
    if isinstance(name, str) and (new := new_choice(socket, name, known)):
        notices.append(f"{where}={name} -> {where}={new}")
        values, name = {**values, "component": new}, new
    if not isinstance(name, str) or name not in known:
        return values
    return _options(values, f"{socket}/{name}", known[name], where, notices)


def _options(
    values: Mapping[str, Any], place: str, options: type[Any], where: str, notices: list[str]
) -> Mapping[str, Any]:
    """The values under their present names, in their order; a value under the present name is left alone."""
    result = {}
    for key, value in values.items():
        new = new_option(place, options, key)
        if new is None or new in values:
            result[key] = value
        else:
            result[new] = value
            notices.append(f"{where}.{key} -> {where}.{new}")
    return result
