"""Write one JSON file per run of a method, kept in git, and the table from these files alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.tables import grid, hardware
from core import reporting
from core.files import clean, write_json

SCHEMA = "graft-method-1"
BUSY = "others_busy_percent.txt"
"""The file beside a run's output with the share of the processors that others used just before the run."""
BUSY_PERCENT = 10.0
"""A run's speed counts as disturbed above this share."""
FAILED = "failed"
"""The folder of runs that did not complete, which the table lists separately."""
COLUMNS = (
    "method", "test", "95 %", "trained", "of all", "saved", "adapter", "peak memory", "epochs", "examples/s", "run",
)  # fmt: skip
LEGEND = (
    "One run per method. Test: the task's primary metric on the test split, with its bootstrap interval. Saved: the "
    "run's `model/` folder, with tokenizer and configuration; if the family's tools cannot open adapters, it contains "
    "merged weights, and the adapter's size is given separately. Peak memory: resident, of the whole process. Examples "
    "per second: in training alone; `head` trains on features that are computed once beforehand."
)
_KEPT = ("status", "error", "exit_code", "started", "seconds", "primary", "init", "training", "environment", "memory")

Entry = Mapping[str, Any]


def entry(work: str, folder: Path, out: Path) -> dict[str, Any]:
    """Return a run's report without parts that other files contain, and with this machine's folder replaced by OUT.

    Args:
        work: The work's name.
        folder: The run's folder.
        out: The folder of all runs.
    """
    report = reporting.read(folder)
    model = report.get("model", {})
    provenance = {key: value for key, value in model.get("provenance", {}).items() if key != "source"}
    kept: dict[str, Any] = {"schema": SCHEMA, "work": work, "method": report["choices"]["method"]}
    kept |= {key: report.get(key) for key in _KEPT}
    kept |= {
        "config": report["config"],
        "data": {key: report.get("data", {}).get(key) for key in ("adapter", "fingerprint", "sizes")},
        "parameters": model.get("parameters"),
        "provenance": provenance,
        "saved_bytes": model.get("saved_bytes"),
        "adapter_bytes": _bytes(folder / reporting.MODEL / "adapter"),
        "scores": report.get("scores", {}).get("test"),
        "self_test": report.get("self_test"),
    }
    busy = out / "logs" / folder.name / BUSY
    kept["others_busy_percent"] = float(busy.read_text(encoding="utf-8")) if busy.is_file() else None
    if isinstance(kept["environment"], dict):
        kept["environment"].pop("platform", None)
    plain: dict[str, Any] = json.loads(json.dumps(clean(kept)).replace(str(out), "OUT"))
    return plain


def _bytes(folder: Path) -> int | None:
    return sum(path.stat().st_size for path in folder.iterdir()) if folder.is_dir() else None


def write(entries: Iterable[Entry], folder: Path) -> None:
    """Write one file per entry, failed runs into a separate folder, and `README.md` with the table."""
    found = list(entries)
    for each in found:
        place = folder if each["status"] == "completed" else folder / FAILED
        place.mkdir(parents=True, exist_ok=True)
        write_json(place / f"{each['work']}-{each['method']}.json", each)
    (folder / "README.md").write_text(markdown(read(folder)), encoding="utf-8")


def read(folder: Path) -> list[dict[str, Any]]:
    """Return every entry in or below a folder, in the order in which the runs began."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.json"))]
    kept = [each for each in found if isinstance(each, dict) and each.get("schema") == SCHEMA]
    return sorted(kept, key=lambda each: str(each.get("started")))


def markdown(entries: Sequence[Entry]) -> str:
    """Return a table for each work, the failed runs, and the hardware."""
    parts = []
    for work in dict.fromkeys(each["work"] for each in entries):
        members = [each for each in entries if each["work"] == work and each["status"] == "completed"]
        if members:
            parts += [f"## {work}", _conditions(members[0]), grid(COLUMNS, [_cells(each) for each in members])]
    parts.append(LEGEND)
    if disturbed := [each for each in entries if (each.get("others_busy_percent") or 0) > BUSY_PERCENT]:
        names = ", ".join(f"{each['work']} {each['method']}" for each in disturbed)
        parts.append(
            f"Warning: other processes kept the processors busy before {names}; these speeds and times are unreliable."
        )
    if failed := [each for each in entries if each["status"] != "completed"]:
        lines = [f"- {each['work']}, {each['method']}: {' '.join(str(each['error']).split())[:200]}" for each in failed]
        parts.append("Not completed:\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _conditions(entry: Entry) -> str:
    sizes = ", ".join(f"{name} {size:,}" for name, size in entry["data"]["sizes"].items())
    train, where = entry["config"]["train"], entry["environment"]
    return (
        f"Data {entry['data']['adapter']} ({sizes}); batch size {train['batch_size']}, "
        f"seed {entry['config']['seed']}, each method at its own defaults or by its recipe; {hardware(where)}, "
        f"{where['precision']}."
    )


def _cells(entry: Entry) -> list[str]:
    score = entry["scores"][entry["primary"]]
    parameters, training = entry["parameters"], entry["training"]
    interval = "-" if score.get("low") is None else f"{score['low']:.3f} to {score['high']:.3f}"
    return [
        entry["method"],
        f"{entry['primary']} {score['value']:.3f}",
        interval,
        f"{parameters['trainable']:,}",
        f"{100 * parameters['trainable'] / parameters['total']:.2f}%",
        size(entry["saved_bytes"]),
        size(entry["adapter_bytes"]),
        f"{entry['memory']['peak_mb']['resident']:,.0f} MiB",
        f"{training['epochs']:g}",
        f"{training['examples_per_second']:.0f}",
        f"{entry['seconds']:.0f} s",
    ]


def size(count: int | None) -> str:
    """Return a number of bytes as text."""
    if count is None:
        return "-"
    return f"{count / 2**20:.2f} MiB" if count < 10 * 2**20 else f"{count / 2**20:.0f} MiB"
