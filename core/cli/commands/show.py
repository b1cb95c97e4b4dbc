"""The command `show`: print a component or a preset with all its options."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from core.cli import compatibility_table
from core.cli.commands.list import ALIASES, GROUPS, fits_as_json, fits_of_all, print_json
from core.component import Component
from core.config.presets import PresetFolders
from core.contracts.train_config import TrainConfig
from core.errors import GraftError, Problem, unknown
from core.options import options
from core.registry import variants
from core.registry.preset_files import Preset


def show(arguments: Sequence[str], folders: PresetFolders) -> int:
    """Print a component or a preset with all its options."""
    parser = argparse.ArgumentParser("graft show", description="Describe a component or a preset, with its options.")
    parser.add_argument("name", help="GROUP/NAME, such as model/roberta or method/lora; or train")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(arguments)
    group, _, name = args.name.partition("/")
    group = ALIASES.get(group, group)
    if args.name == "train":
        shown: dict[str, Any] = {"name": "train", "summary": TrainConfig.__doc__, "options": list(options(TrainConfig))}
    else:
        shown = _describe(group, name, folders)
    if args.json:
        print_json(shown)
        return 0
    sys.stdout.write(f"{shown['name']}: {shown['summary']}\n")
    if "variant" in shown:
        sys.stdout.write(f"  {shown['variant']}\n")
    for preset_line in shown.get("preset", ()):
        sys.stdout.write(f"    {preset_line}\n")
    for line in compatibility_table.describe_fits(fits_of_all(folders)[name]) if "fits" in shown else ():
        sys.stdout.write(f"  on model {line}\n")
    for option in shown["options"]:
        prefix = "train" if args.name == "train" else group
        sys.stdout.write(
            f"  {prefix}.{option['name']}={option['default']}  ({option['type']})\n      {option['help']}\n"
        )
    for name, types in shown.get("variants", {}).items():
        options_of = f"`python -m core show {group}/{name}` shows its options."
        sys.stdout.write(f"  For {', '.join(types)}, {group}/{name} replaces {shown['component']}. {options_of}\n")
    return 0


def _describe(group: str, name: str, folders: PresetFolders) -> dict[str, Any]:
    """Return a component or a preset as JSON values.

    Raises:
        GraftError: There is no such group or name.
    """
    components = folders.registry.components.get(group, {})
    by_name = {preset.name: preset for preset in folders.presets if preset.group == group}
    if not components and not by_name:
        raise GraftError(Problem("show", *unknown("group", group, GROUPS)))
    if name in components:
        component = components[name]
        summary = (component.__doc__ or "").strip()
        needs = dict(component.requires)
        entry: dict[str, Any] = {"name": f"{group}/{name}", "summary": summary, "requires": needs}
        if group == "method":
            entry["fits"] = fits_as_json(fits_of_all(folders)[name])
        if variant := variants.description(component):
            entry["variant"] = variant
        return entry | _variants(group, component, folders) | {"options": list(options(component))}
    if name in by_name:
        lines = by_name[name].path.read_text(encoding="utf-8").splitlines()
        extended = TrainConfig if group == "train" else _extended(name, by_name, components)
        rows = list(options(extended)) if extended is not None else []
        entry = {"name": f"{group}/{name}", "summary": by_name[name].summary, "preset": lines, "options": rows}
        return entry | _variants(group, extended, folders)
    raise GraftError(Problem("show", *folders.registry.unknown(group, name, [*components, *by_name])))


def _variants(group: str, component: type[Any] | None, folders: PresetFolders) -> dict[str, Any]:
    """Return the name of a component, and its variants with their task types; nothing if it has none."""
    name = getattr(component, "name", None)
    found = {each.name: list(each.task_types) for each in variants.variants(folders.registry, group, str(name))}
    return {"component": f"{group}/{name}", "variants": found} if found else {}


def _extended(
    name: str, by_name: Mapping[str, Preset], components: Mapping[str, type[Component]]
) -> type[Component] | None:
    """Return the component that a preset extends, directly or through other presets; None if it extends none."""
    seen: set[str] = set()
    queue = [name]
    while queue:
        name = queue.pop(0)
        if name in components:
            return components[name]
        if name in by_name and name not in seen:
            seen.add(name)
            lines = by_name[name].path.read_text(encoding="utf-8").splitlines()
            lines = [line.split("#")[0].strip() for line in lines]
            queue += [each.removeprefix("-").strip().rpartition("/")[2] for each in lines if each.startswith("-")]
    return None
