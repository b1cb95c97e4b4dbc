"""The command `export`: write full weights, with the adapter merged into them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from core.config.presets import PresetFolders
from core.files import clean
from core.inference.merge import export


def export_command(arguments: Sequence[str], folders: PresetFolders) -> int:
    """Merge the adapter of a run into the base weights, and write full weights."""
    parser = argparse.ArgumentParser(
        "graft export",
        description="Merge the adapter of a run into the base weights and write full weights. Graft compares the "
        "outputs before and after, and refuses methods that cannot be merged.",
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: RUN/export)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(arguments)
    result = export(args.run, args.out)
    if args.json:
        sys.stdout.write(json.dumps(clean(result), indent=2) + "\n")
        return 0
    sizes = {name: f"{size / 2**20:.1f} MiB" for name, size in result["bytes"].items()}
    sys.stdout.write(f"{result['folder']}: {sizes['export']} (the run's model: {sizes['run']})\n")
    for precision, values in result["compared"].items():
        gap, limit = values["difference"], values["tolerance"]
        message = f"merged and unmerged outputs differ by {gap:.1e} at most in {precision} (allowed: {limit:.0e})"
        sys.stdout.write(f"{message}, on {result['examples']} test examples\n")
    if "self_test" in result:
        gap = result["self_test"]["largest_difference"]
        sys.stdout.write(
            f"the run saved full weights; after reloading, outputs differed by {gap:.1e} (from its report)\n"
        )
    return 0
