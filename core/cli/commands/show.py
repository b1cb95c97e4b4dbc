"""The command `show`: print a component or a preset with all its options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from core.cli import compatibility_table
from core.cli.commands.list import ALIASES, GROUPS, fits_of_all, plain_fits, print_json
from core.component import Component
from core.config.presets import PresetFolders
from core.contracts.train_config import TrainConfig
from core.errors import GraftError, Problem, unknown
from core.options import options
from core.registry.preset_files import Preset


def show(words: Sequence[str], folders: PresetFolders) -> int:
    """Describe a component or a preset, with all its options."""
    parser = argparse.ArgumentParser("graft show", description="Describe a component or a preset, with its options.")
    parser.add_argument("name", help="GROUP/NAME, such as model/roberta or method/lora; or train")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(words)
    group, _, name = asked.name.partition("/")
    group = ALIASES.get(group, group)
    if asked.name == "train":
        shown: dict[str, Any] = {"name": "train", "summary": TrainConfig.__doc__, "options": list(options(TrainConfig))}
    else:
        shown = _described(group, name, folders)
    if asked.json:
        print_json(shown)
        return 0
    sys.stdout.write(f"{shown['name']}: {shown['summary']}\n")
    for preset_line in shown.get("preset", ()):
        sys.stdout.write(f"    {preset_line}\n")
    for line in compatibility_table.described(fits_of_all(folders)[name]) if "fits" in shown else ():
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
            described["fits"] = plain_fits(fits_of_all(folders)[name])
        return described | {"options": list(options(component))}
    if name in by_name:
        lines = by_name[name].path.read_text(encoding="utf-8").splitlines()
        extended = TrainConfig if group == "train" else _extended(name, by_name, components)
        rows = list(options(extended)) if extended is not None else []
        return {"name": f"{group}/{name}", "summary": by_name[name].summary, "preset": lines, "options": rows}
    raise GraftError(Problem("show", *folders.registry.unknown(group, name, [*components, *by_name])))


def _extended(
    name: str, by_name: Mapping[str, Preset], components: Mapping[str, type[Component]]
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
