"""The command `plugins`: print the installed plugins and their errors."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from core.cli.commands.list import print_json
from core.config.presets import PresetFolders
from core.config.renamed import new_hook


def plugins(arguments: Sequence[str], folders: PresetFolders) -> int:
    """Print the installed plugins with their components, and the traceback of each that failed."""
    parser = argparse.ArgumentParser(
        "graft plugins", description="List installed plugins with their components and their errors."
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(arguments)
    registry = folders.registry
    entries: list[dict[str, Any]] = []
    for plugin in registry.plugins:
        announced = {
            group: sorted(name for name, owner in owners.items() if owner == plugin.name)
            for group, owners in registry.owners.items()
        }
        paths = [path for path, owner in registry.config_paths if owner == plugin.name]
        entry: dict[str, Any] = {
            "name": plugin.name,
            "origin": plugin.origin,
            "failure": plugin.failure,
            "presets": paths,
        }
        entries.append(entry | {"announces": {group: names for group, names in announced.items() if names}})
    if args.json:
        print_json(entries)
        return 0
    for entry in entries:
        sys.stdout.write(f"{entry['name']} ({entry['origin']}){'  FAILED' if entry['failure'] else ''}\n")
        for group, names in entry["announces"].items():
            sys.stdout.write(f"  {group}: {', '.join(names)}\n")
        for path in entry["presets"]:
            sys.stdout.write(f"  presets: {path}\n")
        for line in (*entry["failure"].splitlines(), *filter(None, [new_hook(entry["failure"])])):
            sys.stdout.write(f"    {line}\n")
    return 0
