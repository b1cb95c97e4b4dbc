"""The adapter methods that Graft carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.capabilities import ADAPTERS, GRADIENTS
from core.contracts import AdapterMethod, LoadedModel, ModelLoader, Need, Plan
from core.errors import Problem
from core.hooks import hookimpl
from core.options import option

if TYPE_CHECKING:
    from core.config import RunConfig


@dataclass
class Full(AdapterMethod):
    """Train every weight."""

    name: ClassVar[str] = "full"
    needs: ClassVar[Mapping[str, str]] = {}

    def apply(self, model: LoadedModel, plan: Plan) -> LoadedModel:
        """Let everything train; nothing is ever frozen silently."""
        for parameter in model.module.parameters():
            parameter.requires_grad_(True)
        return model


@dataclass
class Head(AdapterMethod):
    """Train the task's head only, on features of the frozen backbone that are computed once."""

    name: ClassVar[str] = "head"
    defaults: ClassVar[Mapping[str, float]] = {"epochs": 20, "learning_rate": 1e-3}
    needs: ClassVar[Mapping[str, str]] = {GRADIENTS: "the head is trained by gradients"}
    frozen: ClassVar[bool] = True

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Scratch weights have no features worth keeping."""
        if getattr(config.model, "init", "auto") == "scratch":
            yield Problem(
                "method",
                "head trains on the features of a frozen backbone, and one initialised from scratch has none.",
                "Use method=full, or model.init=pretrained.",
            )

    def apply(self, model: LoadedModel, plan: Plan) -> LoadedModel:
        """Freeze all but the head; features are computed once where examples do not change from epoch to epoch."""
        from plugins.methods.head import on_features

        return on_features(model, plan)


@dataclass
class Lora(AdapterMethod):
    """Train low-rank updates of chosen matrices, and the head (Hu et al. 2021, arXiv:2106.09685)."""

    name: ClassVar[str] = "lora"
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 5e-4}
    needs: ClassVar[Mapping[str, str]] = {
        GRADIENTS: "the updates are trained by gradients",
        ADAPTERS: "low-rank updates are put on chosen matrices",
    }

    rank: int = option(8, "Rank of the update of each matrix.", low=1)
    alpha: float = option(16.0, "The update is scaled by alpha / rank.", above=0)
    dropout: float = option(0.05, "Dropout on the input of the update.", low=0, high=0.9)
    targets: list[str] | None = option(None, "Ends of the names of the modules to adapt; null takes the family's own.")

    def apply(self, model: LoadedModel, plan: Plan) -> LoadedModel:
        """Wrap the module in peft's LoRA; only the updates and the head train."""
        from plugins.methods.lora import wrap

        targets: Sequence[str] = self.targets or model.adapter_targets
        return wrap(model, self.rank, self.alpha, self.dropout, targets)

    def reopen(self, loader: ModelLoader, need: Need) -> LoadedModel:
        """Load the base, and the adapter from `need.saved` onto it."""
        from plugins.methods.lora import reopen

        return reopen(loader, need)


@hookimpl
def adapter_methods() -> list[type[AdapterMethod]]:
    """The adapter methods of this plugin."""
    return [Full, Head, Lora]
