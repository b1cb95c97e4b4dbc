"""The plugin of core: target types that several families use, and AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.contracts.components import Optimizer
from core.registry.hookspecs import hookimpl
from core.tasks.detection.target import BoxesTarget
from core.tasks.targets.multi_label import MultiLabel
from core.tasks.targets.regression import Regression
from core.tasks.targets.single_label import SingleLabel
from core.tasks.targets.target import TargetType

if TYPE_CHECKING:
    import torch


@dataclass
class AdamW(Optimizer):
    """Adam with decoupled weight decay, fused (Loshchilov and Hutter 2019, arXiv:1711.05101)."""

    name: ClassVar[str] = "adamw"

    def build(self, groups: list[dict[str, Any]], lr: float, betas: tuple[float, float]) -> torch.optim.Optimizer:
        """Return torch's AdamW, fused if all parameters are on a device with a fused kernel."""
        import torch

        parameters = [parameter for group in groups for parameter in group["params"]]
        fused = all(p.device.type in ("cpu", "cuda", "mps") and p.is_floating_point() for p in parameters)
        return torch.optim.AdamW(groups, lr=lr, betas=betas, fused=fused)


@hookimpl
def target_types() -> Sequence[type[TargetType]]:
    """Return the target types for one label, several labels, a value, and objects in images."""
    return [SingleLabel, MultiLabel, Regression, BoxesTarget]


@hookimpl
def optimizers() -> Sequence[type[Optimizer]]:
    """Return the optimizer that needs nothing beyond torch."""
    return [AdamW]
