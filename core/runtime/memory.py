"""Measure the memory of this process, and make it reuse freed memory."""

from __future__ import annotations

import ctypes
import resource
import sys

import torch

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # parameters of mallopt(3)


def keep_freed_memory() -> None:
    """Make glibc's allocator keep freed memory.

    Each training step frees and allocates the same hundreds of MiB. By default, glibc maps large allocations again and
    faults them in page by page. For a small model, this takes a good part of a step. Without glibc, nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def resident_memory() -> int:
    """Return the resident memory of this process, in bytes."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_memory_mb(device: str) -> dict[str, float]:
    """Return the peak memory of this process so far, in MiB: `resident`, and `gpu` if the device is one."""
    scale = 1024 if sys.platform != "darwin" else 1024 * 1024
    peak = {"resident": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, 1)}
    if device.startswith("cuda"):
        peak["gpu"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return peak


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that the device or the machine ran out of memory."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        text in str(error) for text in ("can't allocate memory", "not enough memory", "out of memory")
    )
