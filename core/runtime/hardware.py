"""The device and the precision of a run."""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ConfigError, Problem

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import nn


@dataclass
class Hardware:
    """The devices of a run: one per process.

    Attributes:
        device: A torch device, such as `cpu` or `cuda:0`.
        precision: `fp32`, `bf16` or `fp16`: the dtype of matrix products. Parameters stay fp32.
        rank: The number of this process; rank 0 writes files.
        world: Number of processes.
        accelerator: The process state of accelerate if `world` is above 1, else None.
    """

    device: str
    precision: str
    rank: int = 0
    world: int = 1
    accelerator: Accelerator | None = None

    @classmethod
    def resolve(cls, device: str = "auto", precision: str = "auto") -> Hardware:
        """Choose the device and the precision for this machine.

        Args:
            device: `auto`, or the name of a torch device.
            precision: `auto`, `fp32`, `bf16` or `fp16`.

        Raises:
            ConfigError: The machine does not have the device, or the device does not support the precision.
        """
        chosen, world = _device(device), int(os.environ.get("WORLD_SIZE", "1"))
        accelerator = None
        if world > 1:
            from accelerate import Accelerator

            accelerator = Accelerator(cpu=chosen == "cpu")
            chosen = "cpu" if accelerator.device.type == "cpu" else str(accelerator.device)
        rank = accelerator.process_index if accelerator else 0
        return cls(chosen, _precision(precision, chosen), rank, world, accelerator)

    @property
    def on_cpu(self) -> bool:
        """Whether the device is the CPU, where reading a tensor does not wait for the device."""
        return self.device == "cpu"

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a context in which matrix products run in `precision`; torch's autocast decides about the rest."""
        import torch

        if self.precision == "fp32":
            return nullcontext()
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float16
        return torch.autocast(self.device.partition(":")[0], dtype=dtype)

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return the module on its device, wrapped by accelerate if there are several processes."""
        module.to(self.device)
        if self.accelerator is None or not any(p.requires_grad for p in module.parameters()):
            return module
        wrapped: nn.Module = self.accelerator.prepare_model(module)
        return wrapped

    def synchronized(self, module: nn.Module, only_if: bool) -> AbstractContextManager[Any]:
        """Return a context in which the backward pass averages gradients over the processes, if `only_if` is true."""
        if self.accelerator is None or only_if:
            return nullcontext()
        local: AbstractContextManager[Any] = self.accelerator.no_sync(module)
        return local

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.accelerator is not None:
            self.accelerator.wait_for_everyone()

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes, in the order of their ranks."""
        if self.accelerator is None:
            return [value]
        import torch.distributed as dist

        gathered: list[Any] = [None] * self.world
        dist.all_gather_object(gathered, value)
        return gathered


def _device(name: str) -> str:
    """Return the torch device for an option, after a check that it is available."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(name.partition(":")[0], False):
        devices = ", ".join(device for device, there in available.items() if there)
        message = f"this machine has no device {name!r}."
        raise ConfigError(Problem("train.device", message, f"Available devices: {devices}."))
    return name


def _precision(name: str, device: str) -> str:
    """Return the precision for an option and a device."""
    if name == "auto":
        return "bf16" if bf16_native(device) else "fp32"
    if name == "fp16" and device == "cpu":
        cure = "Use train.precision=auto, bf16 or fp32."
        raise ConfigError(Problem("train.precision", "fp16 on a CPU is hundreds of times slower than fp32.", cure))
    return name


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
