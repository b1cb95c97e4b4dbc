"""`python -m benchmarks gpu`: alternate Graft and Trainer, and print the result as JSON."""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import arguments
from benchmarks.gpu.networks import Options, flops_per_token, linear_parameters
from core.errors import ConfigError, Problem, unknown

METHODS = ("lora", "qlora")
PEAKS = {"H100 PCIe": 756.0, "H200": 989.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0}
"""Dense bf16 TFLOP/s from data sheets, by a part of the device's name; the first match counts."""


def gpu(asked: Sequence[str]) -> int:
    """Measure, print the result, and return the exit code."""
    if any(word in ("-h", "--help") for word in asked):
        sys.stdout.write(f"python -m benchmarks gpu [key=value …]\n\n{arguments.help_of(Options)}\n")
        return 0
    options = arguments.options(Options, asked, "gpu")
    methods = [each.strip() for each in options.methods.split(",") if each.strip()]
    if problems := [Problem("methods", *unknown("method", each, METHODS)) for each in methods if each not in METHODS]:
        raise ConfigError(*problems)
    found = measured(options, methods)
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    sys.stdout.write(text)
    if options.out:
        Path(options.out).parent.mkdir(parents=True, exist_ok=True)
        Path(options.out).write_text(text, encoding="utf-8")
    return 1 if any(each["status"] == "failed" for each in found["measurements"]) else 0


def measured(options: Options, methods: Sequence[str]) -> dict[str, Any]:
    """Return measurements of every method with both libraries, alternating for several rounds."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # for both libraries, before the first matrix product
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch

    from benchmarks.gpu.trainings import WAYS
    from core.runtime import Hardware, describe

    device = options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    entries: list[dict[str, Any]] = []
    for method in methods:
        if method == "qlora" and find_spec("bitsandbytes") is None:
            entries.append({"method": method, "status": "skipped", "why": "bitsandbytes is not installed"})
            continue
        for number in range(1, options.rounds + 1):
            for way in WAYS if not options.only else (options.only,):
                entry = {"method": method, "way": way, "round": number}
                entries.append(entry | _one(WAYS[way], options, method, device))
                print(f"{time.strftime('%H:%M:%S')} {json.dumps(entries[-1])}", file=sys.stderr, flush=True)
    asked = {name: value for name, value in asdict(options).items() if name != "out"}  # a path of this machine
    found = {"options": asked, "environment": describe(Hardware(device, "bf16"))}
    found["environment"].pop("platform", None)
    return found | {"linear_parameters": linear_parameters(options), "measurements": entries} | {
        "summary": [summary(options, method, entries, found["environment"]["gpu"]) for method in methods]
    }  # fmt: skip


def _one(way: Any, options: Options, method: str, device: str) -> dict[str, Any]:
    """Return the result of one training, after freeing memory."""
    import torch

    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    started = time.perf_counter()
    try:
        done = way(options, method, device)
    except Exception as error:  # the others can still be measured
        import traceback

        traceback.print_exc()
        return {"status": "failed", "error": f"{type(error).__name__}: {error}"[:500]}
    return {"status": "completed", **done, "with_building_seconds": round(time.perf_counter() - started, 1)}


def summary(options: Options, method: str, entries: Sequence[dict[str, Any]], name: str | None) -> dict[str, Any]:
    """Return medians over the rounds, their ratio, and the share of the device's peak."""
    found: dict[str, Any] = {"method": method}
    speeds: dict[str, list[float]] = {}
    for entry in entries:
        if entry["method"] == method and entry["status"] == "completed":
            speeds.setdefault(entry["way"], []).append(entry["tokens_per_second"])
            if "peak_memory_mb" in entry:
                found[f"{entry['way']}_peak_memory_mb"] = entry["peak_memory_mb"]
    peak = next((each for part, each in PEAKS.items() if name and part in name), None)
    for way, values in speeds.items():
        speed = statistics.median(values)
        found[f"{way}_tokens_per_second"] = speed
        if peak is not None:
            found[f"{way}_share_of_peak"] = round(speed * flops_per_token(options, False) / peak / 1e12, 4)
            recomputed = flops_per_token(options, options.gradient_checkpointing)
            found[f"{way}_share_of_peak_with_recomputation"] = round(speed * recomputed / peak / 1e12, 4)
    if len(speeds) == 2:
        pairs = list(zip(speeds["graft"], speeds["trainer"], strict=False))
        found["graft_over_trainer"] = round(statistics.median(ours / theirs for ours, theirs in pairs), 4)
        found["graft_over_trainer_range"] = [
            round(each(ours / theirs for ours, theirs in pairs), 4) for each in (min, max)
        ]
    return found
