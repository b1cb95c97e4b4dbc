"""Optimizers with 8-bit moments, from bitsandbytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.contracts import Optimizer
from core.errors import Problem
from core.runtime import gpu_at_hand

if TYPE_CHECKING:
    import torch

    from core.contracts import RunConfig


@dataclass
class AdamW8bit(Optimizer):
    """AdamW whose moments take 8 bits each (Dettmers et al. 2021, arXiv:2110.02861).

    Each block of a tensor has a separate scale. Moments of tensors with fewer than 4,096 numbers stay in 32 bits.
    """

    name: ClassVar[str] = "adamw8bit"
    requires: ClassVar[Mapping[str, str]] = {
        "bitsandbytes": 'pip install "graft-tune[qlora]", or use train.optimizer=adamw.'
    }
    state_bytes: ClassVar[float] = 2.0

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Refuse Apple's GPUs, for which there are no kernels."""
        if config.train.device.startswith("mps"):
            message = f"{self.name} has no kernels for Apple's GPUs (mps)."
            yield Problem("train.optimizer", message, "Use train.optimizer=adamw.")

    def build(self, groups: list[dict[str, Any]], lr: float, betas: tuple[float, float]) -> torch.optim.Optimizer:
        """Return bitsandbytes' AdamW8bit."""
        import bitsandbytes

        made: torch.optim.Optimizer = bitsandbytes.optim.AdamW8bit(groups, lr=lr, betas=betas)
        return made


@dataclass
class PagedAdamW8bit(AdamW8bit):
    """Like adamw8bit, but moves its moments to main memory when the GPU's runs short."""

    name: ClassVar[str] = "paged_adamw8bit"

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Refuse a run without a GPU, which has no GPU memory to page out."""
        device = config.train.device
        if not device.startswith("cuda") and not (device == "auto" and gpu_at_hand()):
            message = "paged_adamw8bit moves memory away from a GPU, and this run has none."
            yield Problem("train.optimizer", message, "Use train.optimizer=adamw8bit, or train.device=cuda.")

    def build(self, groups: list[dict[str, Any]], lr: float, betas: tuple[float, float]) -> torch.optim.Optimizer:
        """Return bitsandbytes' PagedAdamW8bit."""
        import bitsandbytes

        made: torch.optim.Optimizer = bitsandbytes.optim.PagedAdamW8bit(groups, lr=lr, betas=betas)
        return made
