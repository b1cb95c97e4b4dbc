"""The adapter methods that Graft carries: LoRA here, the others in light modules beside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.contracts import AdapterMethod, LoadedModel, ParamGroup, Plan
from core.errors import Problem
from core.hooks import hookimpl
from core.options import option
from plugins.methods.partial import BitFit, Freeze, Full, Head
from plugins.methods.prompts import Prefix, Prompt
from plugins.methods.updates import TARGETS_HELP, AdaLora, Ia3, Loha, Lokr, Oft, OnModules, Vera

if TYPE_CHECKING:
    from core.config import RunConfig

LOFTQ = "loftq"


@dataclass
class Lora(OnModules):
    """Train low-rank updates of linear layers and convolutions, and the head (Hu et al. 2021, arXiv:2106.09685)."""

    name: ClassVar[str] = "lora"
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 5e-4}

    rank: int = option(8, "Rank of the update of each matrix.", low=1)
    alpha: float = option(16.0, "The update is scaled by alpha / rank.", above=0)
    dropout: float = option(0.05, "Dropout on the input of the update.", low=0, high=0.9)
    targets: list[str] | None = option(None, TARGETS_HELP)
    dora: bool = option(
        False, "DoRA: train the magnitude of each output apart from its direction (Liu et al. 2024, arXiv:2402.09353)."
    )
    rslora: bool = option(
        False, "rsLoRA: scale by alpha / sqrt(rank), for high ranks (Kalajdzievski 2023, arXiv:2312.03732)."
    )
    b_rate: float = option(
        1.0,
        "LoRA+: matrices B learn at this times the rate of all else (Hayou et al. 2024, arXiv:2402.12354, takes 16).",
        above=0,
    )
    initialisation: str = option(
        "default",
        "default: A at random, B zero; gaussian: another A; pissa: the largest singular vectors of the "
        "weights (Meng et al. 2024, arXiv:2404.02948); olora: their QR factors (Büyükakyüz 2024, arXiv:2406.01775); "
        "loftq: what quantisation loses (Li et al. 2023, arXiv:2310.08659).",
        choices=("default", "gaussian", "pissa", "olora", LOFTQ),
    )

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """What cannot go together."""
        if self.weights() is not None and self.initialisation != "default":
            message = f"{self.initialisation} starts from whole weights, and {self.name} loads them quantised."
            yield Problem("method.initialisation", message, "Leave it at default, or use method=lora.")
        elif self.initialisation == LOFTQ:
            yield Problem(
                "method.initialisation",
                "loftq starts from what quantising the base weights loses, and lora quantises nothing.",
                "Use method.initialisation=pissa, which starts from the weights themselves.",
            )
        if self.dora and self.initialisation in ("pissa", "olora"):
            message = f"{self.initialisation} takes its factors out of the weights, whose magnitudes dora trains."
            yield Problem("method.dora", message, "Use one of the two.")

    def apply(self, model: LoadedModel, plan: Plan) -> LoadedModel:
        """Wrap the module in peft's LoRA; only the updates and the head train.

        Raises:
            ConfigError: A target names nothing, or something that cannot be adapted, such as a depthwise convolution.
        """
        from plugins.methods.lora import wrap

        return wrap(
            model,
            self.rank,
            self.alpha,
            self.dropout,
            self.targets,
            dora=self.dora,
            rslora=self.rslora,
            initialisation=self.initialisation,
        )

    def param_groups(self, model: LoadedModel, lr: float) -> list[ParamGroup] | None:
        """With LoRA+, matrices B in a group of their own."""
        from plugins.methods.lora import faster_b

        return faster_b(model, lr, self.b_rate)


@hookimpl
def adapter_methods() -> list[type[AdapterMethod]]:
    """The adapter methods of this plugin."""
    return [Full, Head, Freeze, BitFit, Lora, AdaLora, Ia3, Vera, Oft, Loha, Lokr, Prompt, Prefix]
