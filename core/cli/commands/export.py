"""The command `export`: write whole weights, with what was trained merged into them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from core.config.presets import PresetFolders
from core.files import clean
from core.inference.merge import export


def export_command(words: Sequence[str], folders: PresetFolders) -> int:
    """The command `export`."""
    parser = argparse.ArgumentParser(
        "graft export",
        description="Merge the adapter of a run into the base weights and write full weights. Outputs are compared "
        "before and after; methods that cannot be merged are refused.",
    )
    parser.add_argument("run", type=Path, help="the run's folder")
    parser.add_argument("--out", type=Path, metavar="DIR", help="output folder (default: RUN/export)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(words)
    found = export(asked.run, asked.out)
    if asked.json:
        sys.stdout.write(json.dumps(clean(found), indent=2) + "\n")
        return 0
    sizes = {name: f"{size / 2**20:.1f} MiB" for name, size in found["bytes"].items()}
    sys.stdout.write(f"{found['folder']}: {sizes['export']} (the run's model: {sizes['run']})\n")
    for precision, values in found["compared"].items():
        gap, limit = values["difference"], values["tolerance"]
        said = f"merged and unmerged outputs differ by {gap:.1e} at most in {precision} (allowed: {limit:.0e})"
        sys.stdout.write(f"{said}, on {found['examples']} test examples\n")
    if "self_test" in found:
        gap = found["self_test"]["largest_difference"]
        sys.stdout.write(f"the run had saved whole weights: {gap:.1e} from those that were trained, by its report\n")
    return 0
