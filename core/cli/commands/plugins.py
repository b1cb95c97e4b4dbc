"""The command `plugins`: print installed plugins and what failed to load."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from core.cli.commands.list import print_json
from core.config.presets import PresetFolders
from core.config.renamed import new_hook


def plugins(words: Sequence[str], folders: PresetFolders) -> int:
    """List installed plugins with their components, and the tracebacks of those that failed."""
    parser = argparse.ArgumentParser(
        "graft plugins", description="List installed plugins with their components and their errors."
    )
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
        print_json(shown)
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
