"""Describe the machine and the versions of the packages that a run depends on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.runtime.hardware import Hardware


PACKAGES = (
    "graft-tune",
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "torchmetrics",
    "timm",
    "torchvision",
    "ultralytics",
    "hydra-core",
    "numpy",
)
"""The packages whose versions `report.json` states."""


def describe(hardware: Hardware) -> dict[str, Any]:
    """Return versions, processor, device, precision, threads and processes, for `report.json`."""
    import psutil
    import torch

    gpu = torch.cuda.get_device_name(hardware.device) if hardware.device.startswith("cuda") else None
    return {
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=False) or os.cpu_count(),
        "memory_mb": round(psutil.virtual_memory().total / 2**20),
        "gpu": gpu,
        "device": hardware.device,
        "precision": hardware.precision,
        "threads": torch.get_num_threads(),
        "processes": hardware.world,
    }


def _version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """Return the name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
