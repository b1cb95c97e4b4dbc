"""The command `list`: print components and presets, by group."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from core.cli import compatibility_table
from core.config.presets import PresetFolders
from core.errors import GraftError, Problem, unknown
from core.registry import compatibility, preset_files, variants

if TYPE_CHECKING:
    from core.contracts.components import AdapterMethod, ModelLoader

GROUPS = (*preset_files.GROUPS, "metric", "task_type", "target_type", "optimizer")
"""The groups of `list` and `show`, in the order of `list`."""

ALIASES = {
    "tasks": "task",
    "task_types": "task_type",
    "target_types": "target_type",
    "models": "model",
    "methods": "method",
    "recipes": "recipe",
    "experiments": "experiment",
    "optimizers": "optimizer",
}


def list_(arguments: Sequence[str], folders: PresetFolders) -> int:
    """Print components and presets, by group."""
    parser = argparse.ArgumentParser("graft list", description="List components and presets by group.")
    parser.add_argument("group", nargs="?", help=f"one of: {', '.join(GROUPS)}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(arguments)
    group = ALIASES.get(args.group, args.group)
    if group is not None and group not in GROUPS:
        raise GraftError(Problem("list", *unknown("group", group, GROUPS)))
    entries = [entry for entry in _entries(folders) if group in (None, entry["group"])]
    if args.json:
        print_json(entries)
        return 0
    _write(entries, folders)
    if group == "method":
        rows = [*compatibility_table.table(fits_of_all(folders)), *_variants_of_models(folders)]
        sys.stdout.write("\n".join(["", compatibility_table.legend(), "", *rows, ""]))
    return 0


def _write(entries: Sequence[Mapping[str, Any]], folders: PresetFolders) -> None:
    width = max((len(entry["name"]) for entry in entries), default=0)
    heading = None
    for entry in entries:
        if entry["group"] != heading:
            heading = entry["group"]
            sys.stdout.write(f"{heading}=\n" if heading in preset_files.GROUPS else f"{heading}\n")
        mark = f" ({entry['variant']})" if "variant" in entry else ""
        if not folders.registry.is_built_in(entry["owner"]):
            mark += f"  [{entry['owner']}]"
        sys.stdout.write(f"  {entry['name']:<{width}}  {entry['summary']}{mark}\n")


def _variants_of_models(folders: PresetFolders) -> Iterator[str]:
    """Yield a line for each model loader that is a variant of another one."""
    for name, model in sorted(folders.registry.components["model"].items()):
        if variant := variants.description(model):
            yield f"{name}: {variant}."


def fits_of_all(folders: PresetFolders) -> compatibility.Fits:
    """Return how each registered method fits each registered family, in each precision."""
    components = folders.registry.components
    models = cast("dict[str, type[ModelLoader]]", components["model"])
    return compatibility.fits(models, cast("dict[str, type[AdapterMethod]]", components["method"]))


def fits_as_json(fits: Mapping[str, Mapping[str, compatibility.Fit]]) -> dict[str, dict[str, dict[str, str]]]:
    """Return the fits of one method as JSON values."""
    return {model: {name: dataclasses.asdict(each) for name, each in cells.items()} for model, cells in fits.items()}


def _entries(folders: PresetFolders) -> list[dict[str, Any]]:
    registry = folders.registry
    entries: list[dict[str, Any]] = [
        {"group": group, "name": name, "summary": component.summary(), "owner": registry.owners[group][name],
         "form": "component"}
        for group, components in registry.components.items()
        for name, component in components.items()
    ]  # fmt: skip
    fits = fits_of_all(folders)
    for entry in entries:
        if entry["group"] == "method":
            entry["fits"] = fits_as_json(fits[entry["name"]])
        if variant := variants.description(registry.components[entry["group"]][entry["name"]]):
            entry["variant"] = variant
    entries += [
        {"group": p.group, "name": p.name, "summary": p.summary, "owner": p.owner, "form": "preset"}
        for p in folders.presets
    ]
    return sorted(entries, key=lambda entry: (GROUPS.index(entry["group"]), entry["form"], entry["name"]))


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
