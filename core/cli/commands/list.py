"""The command `list`: print components and presets, by group."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from core.cli import compatibility_table
from core.config.presets import PresetFolders
from core.errors import GraftError, Problem, unknown
from core.registry import compatibility, preset_files

GROUPS = (*preset_files.GROUPS, "metric", "task_type", "target_type", "optimizer")
"""What `list` and `show` know, in the order in which `list` prints it."""

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


def list_(words: Sequence[str], folders: PresetFolders) -> int:
    """Print components and presets, by group."""
    parser = argparse.ArgumentParser("graft list", description="List components and presets by group.")
    parser.add_argument("group", nargs="?", help=f"one of: {', '.join(GROUPS)}")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(words)
    group = ALIASES.get(asked.group, asked.group)
    if group is not None and group not in GROUPS:
        raise GraftError(Problem("list", *unknown("group", group, GROUPS)))
    entries = [entry for entry in _entries(folders) if group in (None, entry["group"])]
    if asked.json:
        print_json(entries)
        return 0
    width = max((len(entry["name"]) for entry in entries), default=0)
    heading = None
    for entry in entries:
        if entry["group"] != heading:
            heading = entry["group"]
            sys.stdout.write(f"{heading}=\n" if heading in preset_files.GROUPS else f"{heading}\n")
        mark = "" if folders.registry.is_built_in(entry["owner"]) else f"  [{entry['owner']}]"
        sys.stdout.write(f"  {entry['name']:<{width}}  {entry['summary']}{mark}\n")
    if group == "method":
        rows = "".join(f"{line}\n" for line in compatibility_table.table(fits_of_all(folders)))
        sys.stdout.write(f"\n{compatibility_table.legend()}\n\n{rows}")
    return 0


def fits_of_all(folders: PresetFolders) -> compatibility.Fits:
    """How each registered method fits each registered family, in each precision."""
    found: Any = folders.registry.components
    return compatibility.fits(found["model"], found["method"])


def plain_fits(found: Mapping[str, Mapping[str, compatibility.Fit]]) -> dict[str, dict[str, dict[str, str]]]:
    """Return the cells of the table as JSON values."""
    return {model: {name: dataclasses.asdict(each) for name, each in cells.items()} for model, cells in found.items()}


def _entries(folders: PresetFolders) -> list[dict[str, Any]]:
    registry = folders.registry
    entries: list[dict[str, Any]] = [
        {"group": socket, "name": name, "summary": component.summary(), "owner": registry.owners[socket][name],
         "form": "component"}
        for socket, components in registry.components.items()
        for name, component in components.items()
    ]  # fmt: skip
    found = fits_of_all(folders)
    for entry in entries:
        if entry["group"] == "method":
            entry["fits"] = plain_fits(found[entry["name"]])
    entries += [
        {"group": p.group, "name": p.name, "summary": p.summary, "owner": p.owner, "form": "preset"}
        for p in folders.presets
    ]
    return sorted(entries, key=lambda entry: (GROUPS.index(entry["group"]), entry["form"], entry["name"]))


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
