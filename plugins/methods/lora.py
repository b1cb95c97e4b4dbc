"""LoRA on full-precision, 4-bit and 8-bit base weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core import LoadedModel, ParamGroup, Problem, QuantizationConfig, TrainingPlan, option
from core.contracts import QUANTIZED
from plugins.methods.layer_kinds import CONVOLUTION, TRANSPOSED
from plugins.methods.peft_methods import ON_MODULES, TARGETS_HELP, OnModules

if TYPE_CHECKING:
    from core import Footprint, RunConfig

LOFTQ = "loftq"
OVERHEAD = {4: 1.035, 8: 1.01}
"""Factor on the bytes of quantized weights for their constants, by bits. 4: a byte per 64 weights, and constants of
these. 8: 4 bytes per row."""
ALTERS_BASE = ("pissa", "olora")
"""Initializations that subtract the initial update from the base weights."""


@dataclass
class Lora(OnModules):
    """Train low-rank updates of linear layers and convolutions, and the head (Hu et al. 2021, arXiv:2106.09685)."""

    name: ClassVar[str] = "lora"
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 5e-4}

    rank: int = option(8, "Rank of each matrix's update.", low=1)
    alpha: float = option(16.0, "The update is scaled by alpha / rank.", above=0)
    dropout: float = option(0.0, "Dropout on the update's input, in every layer. Slow.", low=0, high=0.9)
    targets: list[str] | None = option(None, TARGETS_HELP)
    dora: bool = option(
        False,
        "DoRA: train the magnitude of each output separately from its direction (Liu et al. 2024, arXiv:2402.09353).",
    )
    rslora: bool = option(
        False, "rsLoRA: scale by alpha / sqrt(rank), for high ranks (Kalajdzievski 2023, arXiv:2312.03732)."
    )
    loraplus_lr_ratio: float = option(
        1.0,
        "LoRA+: learning rate of the B matrices relative to all other weights (Hayou et al. 2024, "
        "arXiv:2402.12354, use 16).",
        above=0,
    )
    init: str = option(
        "default",
        "default: A random, B zero. gaussian: another random A. pissa: the top singular vectors of the weights "
        "(Meng et al. 2024, arXiv:2404.02948). olora: their QR factors (Büyükakyüz 2024, arXiv:2406.01775). loftq, "
        "with quantized weights: the quantization error (Li et al. 2023, arXiv:2310.08659).",
        choices=("default", "gaussian", "pissa", "olora", LOFTQ),
    )

    fused: bool = option(
        True,
        "Compute each linear layer with its update and gradients in fused matrix products. false: peft's own chain "
        "of operations.",
    )

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report options that contradict each other."""
        if self.weights() is not None and self.init in ALTERS_BASE:
            message = f"{self.init} needs full-precision weights, but {self.name} loads quantized ones."
            yield Problem("method.init", message, "Use loftq, leave it at default, or use method=lora.")
        elif self.weights() is None and self.init == LOFTQ:
            yield Problem(
                "method.init",
                f"loftq starts from the quantization error of the base weights, and {self.name} quantizes nothing.",
                "Use method.init=pissa, which starts from the weights themselves.",
            )
        if self.dora and self.init in (*ALTERS_BASE, LOFTQ):
            message = f"{self.init} starts from factors of the weights, and dora trains their magnitudes."
            yield Problem("method.dora", message, "Use one of the two.")

    def additive(self) -> bool:
        """Return False if the initialization changes the base weights, which half precision would round."""
        return self.init not in ALTERS_BASE

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Wrap the module in peft's LoRA; only the updates and the head train.

        Raises:
            ConfigError: A target matches no module, or one that cannot be adapted, such as a depthwise convolution.
        """
        from plugins.methods.peft_settings import lora

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
            unfit[TRANSPOSED] = "peft's olora ignores that they are transposed"
        factored, lost = not self.additive(), self.init == LOFTQ
        return lora(
            model, self.targets, settings, unfit, factors_base=factored, from_quantization_error=lost, fused=self.fused
        )

    def param_groups(self, model: LoadedModel, lr: float) -> list[ParamGroup] | None:
        """Return a separate group for the B matrices with LoRA+, else None."""
        from plugins.methods.peft_model import loraplus_groups

        return loraplus_groups(model, lr, self.loraplus_lr_ratio)

    def trainable(self, footprint: Footprint) -> int | None:
        """Return the number of weights in head and updates for the family's default targets; None for other targets."""
        return None if self.targets is not None else self.rank * footprint.adapted + footprint.head


@dataclass
class Qlora(Lora):
    """LoRA on 4-bit base weights, quantized while they are loaded (Dettmers et al. 2023, arXiv:2305.14314)."""

    name: ClassVar[str] = "qlora"
    requires: ClassVar[Mapping[str, str]] = {"bitsandbytes": 'pip install "graft-tune[qlora]"'}
    needs: ClassVar[Mapping[str, str]] = {**ON_MODULES, QUANTIZED: "its base weights are quantized"}

    quant_type: str = option(
        "nf4", "The 4-bit data type. nf4 suits normally distributed weights.", choices=("nf4", "fp4")
    )
    double_quant: bool = option(True, "Quantize the quantization constants too; saves 0.4 bits per weight.")
    compute_dtype: str = option(
        "auto",
        "Data type of matrix products and of everything not quantized. auto: that of train.precision.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report hardware without the kernels, and what to use instead."""
        from plugins.methods.quantized_lora import problems

        yield from super().check(config)
        yield from problems(config, self.compute_dtype)

    def weights(self) -> QuantizationConfig:
        """Return a configuration for 4-bit weights."""
        return QuantizationConfig(
            4, self.quant_type, self.double_quant, self.compute_dtype, "bitsandbytes", OVERHEAD[4]
        )

    def merge(self, model: LoadedModel) -> LoadedModel:
        """Dequantize the base and add the updates to its weights; 4 bits would round them away."""
        from plugins.methods.quantized_lora import merged_model

        return merged_model(model)


@dataclass
class Lora8(Lora):
    """LoRA on 8-bit base weights, quantized while they are loaded (Dettmers et al. 2022, arXiv:2208.07339)."""

    name: ClassVar[str] = "lora8"
    requires: ClassVar[Mapping[str, str]] = {"bitsandbytes": 'pip install "graft-tune[qlora]"'}
    needs: ClassVar[Mapping[str, str]] = {**ON_MODULES, QUANTIZED: "its base weights are quantized"}

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report hardware without the kernels, and what to use instead."""
        from plugins.methods.quantized_lora import problems

        yield from super().check(config)
        yield from problems(config, "auto")

    def weights(self) -> QuantizationConfig:
        """Return a configuration for 8-bit weights."""
        return QuantizationConfig(8, "int8", False, "auto", "bitsandbytes", OVERHEAD[8])

    def merge(self, model: LoadedModel) -> LoadedModel:
        """Dequantize the base and add the updates to its weights; 8 bits would round them away."""
        from plugins.methods.quantized_lora import merged_model

        return merged_model(model)
