"""LoRA, on whole base weights and on weights of 4 or 8 bits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.capabilities import QUANTISED
from core.contracts import LoadedModel, ParamGroup, Plan, WeightsPlan
from core.errors import Problem
from core.options import option
from plugins.methods.layer_kinds import CONVOLUTION, TRANSPOSED
from plugins.methods.updates import ON_MODULES, TARGETS_HELP, OnModules

if TYPE_CHECKING:
    from core.config import RunConfig
    from core.memory import Footprint

LOFTQ = "loftq"
ALTERS_BASE = ("pissa", "olora")
"""Initialisations that subtract from the base weights what the factors hold."""


@dataclass
class Lora(OnModules):
    """Train low-rank updates of linear layers and convolutions, and the head (Hu et al. 2021, arXiv:2106.09685)."""

    name: ClassVar[str] = "lora"
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 5e-4}

    rank: int = option(8, "Rank of the update of each matrix.", low=1)
    alpha: float = option(16.0, "The update is scaled by alpha / rank.", above=0)
    dropout: float = option(0.0, "Dropout on the input of the update, in each layer: slow.", low=0, high=0.9)
    targets: list[str] | None = option(None, TARGETS_HELP)
    dora: bool = option(
        False, "DoRA: train the magnitude of each output apart from its direction (Liu et al. 2024, arXiv:2402.09353)."
    )
    rslora: bool = option(
        False, "rsLoRA: scale by alpha / sqrt(rank), for high ranks (Kalajdzievski 2023, arXiv:2312.03732)."
    )
    loraplus_lr_ratio: float = option(
        1.0,
        "LoRA+: matrices B learn at this times the rate of all else (Hayou et al. 2024, arXiv:2402.12354, takes 16).",
        above=0,
    )
    init: str = option(
        "default",
        "default: A at random, B zero; gaussian: another A; pissa: the largest singular vectors of the "
        "weights (Meng et al. 2024, arXiv:2404.02948); olora: their QR factors (Büyükakyüz 2024, arXiv:2406.01775); "
        "loftq, with quantised weights: what quantising them lost (Li et al. 2023, arXiv:2310.08659).",
        choices=("default", "gaussian", "pissa", "olora", LOFTQ),
    )

    fused: bool = option(
        True,
        "Compute a linear layer, its update and their gradients in few products; false: peft's chain of operations.",
    )

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """What cannot go together."""
        if self.weights() is not None and self.init in ALTERS_BASE:
            message = f"{self.init} starts from whole weights, and {self.name} loads them quantised."
            yield Problem("method.init", message, "Use loftq, leave it at default, or use method=lora.")
        elif self.weights() is None and self.init == LOFTQ:
            yield Problem(
                "method.init",
                f"loftq starts from what quantising the base weights loses, and {self.name} quantises nothing.",
                "Use method.init=pissa, which starts from the weights themselves.",
            )
        if self.dora and self.init in (*ALTERS_BASE, LOFTQ):
            message = f"{self.init} starts from factors of the weights, whose magnitudes dora trains."
            yield Problem("method.dora", message, "Use one of the two.")

    def additive(self) -> bool:
        """Unless it takes what it starts from out of the base weights, which half precision would round."""
        return self.init not in ALTERS_BASE

    def apply(self, model: LoadedModel, plan: Plan) -> LoadedModel:
        """Wrap the module in peft's LoRA; only the updates and the head train.

        Raises:
            ConfigError: A target names nothing, or something that cannot be adapted, such as a depthwise convolution.
        """
        from plugins.methods.tuners import lora

        settings = {
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "use_dora": self.dora,
            "use_rslora": self.rslora,
            "init_lora_weights": True if self.init in ("default", LOFTQ) else self.init,
        }
        unfit = {}
        if not self.additive():
            unfit[CONVOLUTION] = f"method.init={self.init} factors a matrix"
        if self.init == "olora":
            unfit[TRANSPOSED] = "peft's olora takes them as they lie"
        factored, lost = not self.additive(), self.init == LOFTQ
        return lora(model, self.targets, settings, unfit, factors_base=factored, from_lost=lost, fused=self.fused)

    def param_groups(self, model: LoadedModel, lr: float) -> list[ParamGroup] | None:
        """With LoRA+, matrices B in a group of their own."""
        from plugins.methods.adapted import faster_b

        return faster_b(model, lr, self.loraplus_lr_ratio)

    def trainable(self, footprint: Footprint) -> int | None:
        """The updates of the family's own targets, and the head; of other targets it is not known beforehand."""
        return None if self.targets is not None else self.rank * footprint.adapted + footprint.head


@dataclass
class Qlora(Lora):
    """LoRA on base weights of 4 bits, quantised while they are loaded (Dettmers et al. 2023, arXiv:2305.14314)."""

    name: ClassVar[str] = "qlora"
    requires: ClassVar[Mapping[str, str]] = {"bitsandbytes": 'pip install "graft-tune[qlora]"'}
    needs: ClassVar[Mapping[str, str]] = {**ON_MODULES, QUANTISED: "its base weights are quantised"}

    quant_type: str = option(
        "nf4", "Of the 4 bits: nf4 suits weights that are normally distributed.", choices=("nf4", "fp4")
    )
    double_quant: bool = option(True, "Quantise the quantisation constants too: 0.4 bits a weight less.")
    compute_dtype: str = option(
        "auto",
        "Dtype of the matrix products and of what is not quantised; auto takes that of train.precision.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Where the hardware cannot, and what would do."""
        from plugins.methods.quantised import problems

        yield from super().check(config)
        yield from problems(config, self.compute_dtype)

    def weights(self) -> WeightsPlan:
        """4 bits, by bitsandbytes."""
        return WeightsPlan(4, self.quant_type, self.double_quant, self.compute_dtype, "bitsandbytes")

    def merge(self, model: LoadedModel) -> LoadedModel:
        """The base unquantised, with its updates added to the weights: in so few bits they would be rounded."""
        from plugins.methods.quantised import merged_model

        return merged_model(model)


@dataclass
class Lora8(Lora):
    """LoRA on base weights of 8 bits, quantised while they are loaded (Dettmers et al. 2022, arXiv:2208.07339)."""

    name: ClassVar[str] = "lora8"
    requires: ClassVar[Mapping[str, str]] = {"bitsandbytes": 'pip install "graft-tune[qlora]"'}
    needs: ClassVar[Mapping[str, str]] = {**ON_MODULES, QUANTISED: "its base weights are quantised"}

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Where the hardware cannot, and what would do."""
        from plugins.methods.quantised import problems

        yield from super().check(config)
        yield from problems(config, "auto")

    def weights(self) -> WeightsPlan:
        """8 bits, by bitsandbytes."""
        return WeightsPlan(8, "int8", False, "auto", "bitsandbytes")

    def merge(self, model: LoadedModel) -> LoadedModel:
        """The base unquantised, with its updates added to the weights: in so few bits they would be rounded."""
        from plugins.methods.quantised import merged_model

        return merged_model(model)
