"""The machine of a run: device, precision, processes, memory, versions."""

from __future__ import annotations

import ctypes
import os
import platform
import random
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ConfigError, Problem

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import nn

    from core.config import Train

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

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # parameters of mallopt(3)


@dataclass
class Hardware:
    """Where a run computes: N processes with one device each.

    Attributes:
        device: A torch device, such as `cpu` or `cuda:0`.
        precision: `fp32`, `bf16` or `fp16`; parameters stay fp32, matrix products run in this.
        rank: This process's number; rank 0 writes.
        world: Number of processes.
        accelerator: accelerate's process state, where `world` is above 1.
    """

    device: str
    precision: str
    rank: int = 0
    world: int = 1
    accelerator: Accelerator | None = None

    @classmethod
    def resolve(cls, train: Train) -> Hardware:
        """Choose the device and the precision for this machine.

        Raises:
            ConfigError: The device is not here, or cannot compute in the precision.
        """
        device, world = _device(train.device), int(os.environ.get("WORLD_SIZE", "1"))
        accelerator = None
        if world > 1:
            from accelerate import Accelerator

            accelerator = Accelerator(cpu=device == "cpu")
            device = "cpu" if accelerator.device.type == "cpu" else str(accelerator.device)
        rank = accelerator.process_index if accelerator else 0
        return cls(device, _precision(train.precision, device), rank, world, accelerator)

    @property
    def on_cpu(self) -> bool:
        """Whether the device is the CPU, where reading a tensor does not wait for anything."""
        return self.device == "cpu"

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a context in which matrix products run in `precision` and the rest as torch's autocast decides."""
        import torch

        if self.precision == "fp32":
            return nullcontext()
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float16
        return torch.autocast(self.device.partition(":")[0], dtype=dtype)

    def wrap(self, module: nn.Module) -> nn.Module:
        """Move the module to its device; wrap it where there are several processes."""
        module.to(self.device)
        if self.accelerator is None or not any(p.requires_grad for p in module.parameters()):
            return module
        wrapped: nn.Module = self.accelerator.prepare_model(module)
        return wrapped

    def synchronised(self, module: nn.Module, only_if: bool) -> AbstractContextManager[Any]:
        """Return a context whose backward pass averages gradients over the processes, or does not yet."""
        if self.accelerator is None or only_if:
            return nullcontext()
        quiet: AbstractContextManager[Any] = self.accelerator.no_sync(module)
        return quiet

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()

    def gather(self, value: Any) -> list[Any]:
        """Return the objects of all processes, in the order of their ranks."""
        if self.accelerator is None:
            return [value]
        import torch.distributed as dist

        gathered: list[Any] = [None] * self.world
        dist.all_gather_object(gathered, value)
        return gathered


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module without wrappers: DDP, FSDP, `torch.compile`, accelerate's precision wrapper."""
    if not hasattr(module, "module") and not hasattr(module, "_orig_mod") and not hasattr(module, "_original_forward"):
        return module
    from accelerate.utils import extract_model_from_parallel

    unwrapped: nn.Module = extract_model_from_parallel(module, keep_fp32_wrapper=False)
    return unwrapped


def _device(asked: str) -> str:
    import torch

    if asked == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind = asked.partition(":")[0]
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not here.get(kind, False):
        there = ", ".join(name for name, available in here.items() if available)
        raise ConfigError(Problem("train.device", f"there is no device {asked!r} here.", f"There is: {there}."))
    return asked


def _precision(asked: str, device: str) -> str:
    if asked == "auto":
        return "bf16" if bf16_native(device) else "fp32"
    if asked == "fp16" and device == "cpu":
        cure = "Use train.precision=auto, bf16 or fp32."
        raise ConfigError(Problem("train.precision", "fp16 on a CPU is hundreds of times slower than fp32.", cure))
    return asked


def gpu_at_hand() -> bool:
    """Return whether the system seems to have an NVIDIA or AMD GPU, without importing torch."""
    return any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")) or bool(
        shutil.which("nvidia-smi")
    )


@cache
def bf16_native(device: str) -> bool:
    """Return whether the device multiplies bf16 in hardware: AVX512-BF16 or AMX on a CPU, Ampere or later on CUDA."""
    if device.startswith("cuda"):
        import torch

        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu":
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", " bf16"))


def keep_freed_memory() -> None:
    """Let glibc's allocator keep freed memory: each training step frees and allocates the same hundreds of MiB.

    By default glibc maps large allocations anew and faults them in page by page, which takes a good part of a small
    model's step. Without glibc, nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch, which initialization and dropout draw from."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def deterministic(hardware: Hardware) -> Iterator[list[str]]:
    """Ask a GPU for deterministic kernels; yields a list that collects the operations without one."""
    import warnings

    import torch

    unsure: list[str] = []
    if hardware.on_cpu:
        yield unsure
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    show: Callable[..., None] = warnings.showwarning

    def note(message: Warning | str, *rest: Any, **named: Any) -> None:
        if "deterministic" in str(message):
            unsure.append(str(message).partition("\n")[0])
        else:
            show(message, *rest, **named)

    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # else each new tensor costs a pass
    warnings.showwarning = note
    try:
        yield unsure
    finally:
        warnings.showwarning = show
        torch.use_deterministic_algorithms(before)


def resident_memory() -> int:
    """Return the bytes of memory that this process holds now."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_memory_mb(device: str) -> dict[str, float]:
    """Return this process's peak memory so far, in MiB: `resident`, and `gpu` where there is one."""
    import torch

    scale = 1024 if sys.platform != "darwin" else 1024 * 1024
    peak = {"resident": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, 1)}
    if device.startswith("cuda"):
        peak["gpu"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return peak


def describe(hardware: Hardware) -> dict[str, Any]:
    """Return versions, processor, devices and threads, for the report."""
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
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()
