"""Seeds, the states of random generators, and deterministic kernels."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from core.runtime.hardware import Hardware


def rng_state(device: str) -> dict[str, Any]:
    """Return the states of the random generators that training uses: torch's on the CPU, and that of the GPU."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if device.startswith("cuda"):
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def set_rng_state(state: dict[str, Any], device: str) -> None:
    """Set the random generators to the states that `rng_state` returned."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and torch, which initialization and dropout use."""
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def deterministic(hardware: Hardware) -> Iterator[list[str]]:
    """Use deterministic kernels on a GPU, and yield a list that collects the operations without one."""
    nondeterministic: list[str] = []
    if hardware.on_cpu:
        yield nondeterministic
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    show: Callable[..., None] = warnings.showwarning

    def collect(message: Warning | str, *rest: Any, **named: Any) -> None:
        if "deterministic" in str(message):
            nondeterministic.append(str(message).partition("\n")[0])
        else:
            show(message, *rest, **named)

    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # saves a pass over each new tensor
    warnings.showwarning = collect
    try:
        yield nondeterministic
    finally:
        warnings.showwarning = show
        torch.use_deterministic_algorithms(before)
