"""The verbs that look: list, show, plugins and check; and resume."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core import capabilities, capability_table, presets
from core.component import Component
from core.config import RunConfig, Train
from core.errors import GraftError, Problem, unknown
from core.options import limits
from core.presets import PresetFolders
from core.renamed import new_hook

GROUPS = (*presets.GROUPS, "metric", "kind", "target", "optimizer")
"""What `list` and `show` know, in the order in which `list` prints it."""

ALIASES = {"tasks": "task", "models": "model", "methods": "method", "recipes": "recipe", "experiments": "experiment"}


def list_(words: Sequence[str], folders: PresetFolders) -> int:
    """Print components and presets, by group."""
    parser = argparse.ArgumentParser("graft list", description="Components and presets, by group.")
    parser.add_argument("group", nargs="?", help=f"one of: {', '.join(GROUPS)}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(words)
    group = ALIASES.get(asked.group, asked.group)
    if group is not None and group not in GROUPS:
        raise GraftError(Problem("list", *unknown("group", group, GROUPS)))
    entries = [entry for entry in _entries(folders) if group in (None, entry["group"])]
    if asked.json:
        _json(entries)
        return 0
    width = max((len(entry["name"]) for entry in entries), default=0)
    heading = None
    for entry in entries:
        if entry["group"] != heading:
            heading = entry["group"]
            sys.stdout.write(f"{heading}=\n" if heading in presets.GROUPS else f"{heading}\n")
        mark = "" if folders.registry.is_built_in(entry["owner"]) else f"  [{entry['owner']}]"
        sys.stdout.write(f"  {entry['name']:<{width}}  {entry['summary']}{mark}\n")
    if group == "method":
        rows = "".join(f"{line}\n" for line in capability_table.table(_fits(folders)))
        sys.stdout.write(f"\n{capability_table.legend()}\n\n{rows}")
    return 0


def _fits(folders: PresetFolders) -> capabilities.Fits:
    """How each registered method fits each registered family, in each precision."""
    found: Any = folders.registry.components
    return capabilities.fits(found["model"], found["method"])


def _plain(found: Mapping[str, Mapping[str, capabilities.Fit]]) -> dict[str, dict[str, dict[str, str]]]:
    return {model: {name: dataclasses.asdict(each) for name, each in cells.items()} for model, cells in found.items()}


def _entries(folders: PresetFolders) -> list[dict[str, Any]]:
    registry = folders.registry
    entries: list[dict[str, Any]] = [
        {"group": socket, "name": name, "summary": component.summary(), "owner": registry.owners[socket][name],
         "form": "component"}
        for socket, components in registry.components.items()
        for name, component in components.items()
    ]  # fmt: skip
    found = _fits(folders)
    for entry in entries:
        if entry["group"] == "method":
            entry["fits"] = _plain(found[entry["name"]])
    entries += [
        {"group": p.group, "name": p.name, "summary": p.summary, "owner": p.owner, "form": "preset"}
        for p in folders.presets
    ]
    return sorted(entries, key=lambda entry: (GROUPS.index(entry["group"]), entry["form"], entry["name"]))


def show(words: Sequence[str], folders: PresetFolders) -> int:
    """Print what a component or a preset is, with all its options."""
    parser = argparse.ArgumentParser("graft show", description="What a component or a preset is, and its options.")
    parser.add_argument("name", help="GROUP/NAME, such as model/roberta or method/lora; or train")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(words)
    group, _, name = asked.name.partition("/")
    group = ALIASES.get(group, group)
    if asked.name == "train":
        shown: dict[str, Any] = {"name": "train", "summary": Train.__doc__, "options": list(options(Train))}
    else:
        shown = _described(group, name, folders)
    if asked.json:
        _json(shown)
        return 0
    sys.stdout.write(f"{shown['name']}: {shown['summary']}\n")
    for preset_line in shown.get("preset", ()):
        sys.stdout.write(f"    {preset_line}\n")
    for line in capability_table.described(_fits(folders)[name]) if "fits" in shown else ():
        sys.stdout.write(f"  on model {line}\n")
    for option in shown["options"]:
        prefix = "train" if asked.name == "train" else group
        sys.stdout.write(
            f"  {prefix}.{option['name']}={option['default']}  ({option['type']})\n      {option['help']}\n"
        )
    return 0


def _described(group: str, name: str, folders: PresetFolders) -> dict[str, Any]:
    components = folders.registry.components.get(group, {})
    by_name = {preset.name: preset for preset in folders.presets if preset.group == group}
    if not components and not by_name:
        raise GraftError(Problem("show", *unknown("group", group, GROUPS)))
    if name in components:
        component = components[name]
        summary = (component.__doc__ or "").strip()
        needs = dict(component.requires)
        described = {"name": f"{group}/{name}", "summary": summary, "requires": needs}
        if group == "method":
            described["fits"] = _plain(_fits(folders)[name])
        return described | {"options": list(options(component))}
    if name in by_name:
        lines = by_name[name].path.read_text(encoding="utf-8").splitlines()
        extended = Train if group == "train" else _extended(name, by_name, components)
        rows = list(options(extended)) if extended is not None else []
        return {"name": f"{group}/{name}", "summary": by_name[name].summary, "preset": lines, "options": rows}
    raise GraftError(Problem("show", *folders.registry.unknown(group, name, [*components, *by_name])))


def _extended(
    name: str, by_name: Mapping[str, presets.Preset], components: Mapping[str, type[Component]]
) -> type[Component] | None:
    """The component that a preset extends, itself or through another preset."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        name = waiting.pop(0)
        if name in components:
            return components[name]
        if name in by_name and name not in seen:
            seen.add(name)
            lines = by_name[name].path.read_text(encoding="utf-8").splitlines()
            named = [line.split("#")[0].strip() for line in lines]
            waiting += [each.removeprefix("-").strip().rpartition("/")[2] for each in named if each.startswith("-")]
    return None


def options(component: type[Any]) -> Iterable[dict[str, str]]:
    """Every option of a component: name, type, default and help, as text."""
    for field in dataclasses.fields(component):
        declared = limits(field)
        default = field.default if field.default is not dataclasses.MISSING else None
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
        help_ = declared.help + (f" One of: {declared.named_choices}." if declared.choices else "")
        yield {"name": field.name, "type": kind, "default": json.dumps(default, default=str), "help": help_}


def plugins(words: Sequence[str], folders: PresetFolders) -> int:
    """Print what is installed, what it announced, and the tracebacks of what failed to load."""
    parser = argparse.ArgumentParser("graft plugins", description="Installed plugins and what they announce.")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(words)
    registry = folders.registry
    shown: list[dict[str, Any]] = []
    for plugin in registry.plugins:
        announced = {
            socket: sorted(name for name, owner in owners.items() if owner == plugin.name)
            for socket, owners in registry.owners.items()
        }
        paths = [path for path, owner in registry.config_paths if owner == plugin.name]
        entry: dict[str, Any] = {
            "name": plugin.name,
            "origin": plugin.origin,
            "failure": plugin.failure,
            "presets": paths,
        }
        shown.append(entry | {"announces": {socket: names for socket, names in announced.items() if names}})
    if asked.json:
        _json(shown)
        return 0
    for entry in shown:
        sys.stdout.write(f"{entry['name']} ({entry['origin']}){'  FAILED' if entry['failure'] else ''}\n")
        for socket, names in entry["announces"].items():
            sys.stdout.write(f"  {socket}: {', '.join(names)}\n")
        for path in entry["presets"]:
            sys.stdout.write(f"  presets: {path}\n")
        for line in (*entry["failure"].splitlines(), *filter(None, [new_hook(entry["failure"])])):
            sys.stdout.write(f"    {line}\n")
    return 0


def check(words: Sequence[str], folders: PresetFolders) -> int:
    """Everything short of training: the configuration, the data's findings, parameters, an estimate of peak memory.

    With --quick only what needs no library, no data and no download: the configuration, and the estimate from the sizes
    of the network. Without, small passes through the network are measured.
    """
    from core.cli import split_flags

    if words and words[0] in ("-h", "--help"):
        sys.stdout.write(
            "usage: graft check [--quick] [--json] [--config-dir DIR] key=value …\n\n" + (check.__doc__ or "") + "\n"
        )
        return 0
    from core import compose
    from core.check import check as check_config
    from core.memory import estimate, sentence

    overrides, flags = split_flags(words)
    config = compose.resolve(overrides, folders=folders)
    check_config(config)
    as_json = "--json" in flags
    found: dict[str, Any] = {"config": "ok", "estimate_mb": estimate(config, len(config.task.labels or ("", "")))}
    if "--quick" in flags:
        pass
    elif importlib.util.find_spec("torch") is None:
        found["note"] = "torch is not installed, so data, model and memory were not looked at: pip install graft-tune"
    else:
        from core.cache import keep_caches_of_others
        from core.inspection import inspect

        keep_caches_of_others()
        found |= inspect(config)
    found["estimate"] = sentence(found["estimate_mb"])
    if as_json:
        _json(found)
    else:
        _write_check(config, found)
    return 0


def _write_check(config: RunConfig, found: dict[str, Any]) -> None:
    named = f"task={config.task.name or config.task.kind} data={config.data.name} model={config.model.name}"
    sys.stdout.write(f"configuration: ok ({named} method={config.method.name})\n")
    for key, value in found.items():
        if key in ("config", "estimate_mb"):
            continue
        if isinstance(value, dict):
            sys.stdout.write(f"{key}:\n" + "".join(f"  {name}: {_brief(each)}\n" for name, each in value.items()))
        else:
            sys.stdout.write(f"{key}: {value}\n")


def _brief(value: Any) -> str:
    if isinstance(value, list):
        return "".join(f"\n    - {each['message'] if isinstance(each, dict) else each}" for each in value) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)


def resume(words: Sequence[str], folders: PresetFolders) -> int:
    """Go on with a run."""
    parser = argparse.ArgumentParser("graft resume", description="Go on with a run that was killed or interrupted.")
    parser.add_argument("run", help="the run's folder")
    asked = parser.parse_args(words)
    from core.cli import say_failure
    from core.run import resume as go_on

    try:
        go_on(Path(asked.run))
    except Exception as error:
        return say_failure(error)
    return 0


def _json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
