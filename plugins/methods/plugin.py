"""The adapter methods that Graft carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core.capabilities import ADAPTERS, GRADIENTS, LAYERS, QUANTISED, lacking
from core.contracts import AdapterMethod, LoadedModel, ModelLoader, Need, ParamGroup, Plan, WeightsPlan
from core.errors import Problem
from core.hooks import hookimpl
from core.options import option

if TYPE_CHECKING:
    from core.config import RunConfig
    from core.memory import Footprint


_DECAY_HELP = (
    "Each layer learns at this times the rate of the one after it, the head's at the full rate; 1 for one rate."
)


@dataclass
class Full(AdapterMethod):
    """Train every weight."""

    name: ClassVar[str] = "full"
    needs: ClassVar[Mapping[str, str]] = {}

    layer_decay: float = option(1.0, _DECAY_HELP, above=0, high=1)

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Rates by depth need depths."""
        if self.layer_decay == 1:
            return
        model = type(config.model)
        lacks = lacking(model, GRADIENTS) or lacking(model, LAYERS)
        if lacks:
            yield Problem("method.layer_decay", f"gives each layer a learning rate, and {lacks}.", "Leave it at 1.")

    def apply(self, model: LoadedModel, plan: Plan) -> LoadedModel:
        """Let everything train; nothing is ever frozen silently.

        Raises:
            ConfigError: `layer_decay` is asked for, and the model does not say what is at which depth.
        """
        if self.layer_decay != 1:
            from plugins.methods.depth import depths

            depths(model)
        for parameter in model.module.parameters():
            parameter.requires_grad_(True)
        return model

    def trainable(self, footprint: Footprint) -> int:
        """All of it."""
        return footprint.parameters + footprint.head

    def param_groups(self, model: LoadedModel, lr: float) -> list[ParamGroup] | None:
        """A group a layer, the head's first, where rates decay."""
        from plugins.methods.depth import decayed

        return decayed(model, lr, self.layer_decay)


@dataclass
class Head(AdapterMethod):
    """Train the task's head only, on features of the frozen backbone that are computed once."""

    name: ClassVar[str] = "head"
    defaults: ClassVar[Mapping[str, float]] = {"epochs": 20, "learning_rate": 1e-3}
    needs: ClassVar[Mapping[str, str]] = {GRADIENTS: "its head is trained by gradients"}
    frozen: ClassVar[bool] = True

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Scratch weights have no features worth keeping."""
        if getattr(config.model, "init", "auto") == "scratch":
            yield Problem(
                "method",
                "head trains on the features of a frozen backbone, and one initialised from scratch has none.",
                "Use method=full, or model.init=pretrained.",
            )

    def trainable(self, footprint: Footprint) -> int:
        """The head."""
        return footprint.head

    def apply(self, model: LoadedModel, plan: Plan) -> LoadedModel:
        """Freeze all but the head; features are computed once where examples do not change from epoch to epoch."""
        from plugins.methods.head import on_features

        return on_features(model, plan)


@dataclass
class Freeze(AdapterMethod):
    """Train the last layers and the head; what is before them stays as it was."""

    name: ClassVar[str] = "freeze"
    needs: ClassVar[Mapping[str, str]] = {
        GRADIENTS: "its last layers are trained by gradients",
        LAYERS: "it trains the last layers",
    }

    layers: int = option(1, "How many of the model's last layers train, besides the head.", low=1)
    layer_decay: float = option(1.0, _DECAY_HELP, above=0, high=1)

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Scratch weights hold nothing that is worth keeping frozen."""
        if getattr(config.model, "init", "auto") == "scratch":
            yield Problem(
                "method",
                "freeze keeps the first layers as they are, and those of a model from scratch are random.",
                "Use method=full, or model.init=pretrained.",
            )

    def apply(self, model: LoadedModel, plan: Plan) -> LoadedModel:
        """Freeze all but the last layers and the head; batch norms that are frozen keep their statistics too.

        Raises:
            ConfigError: The model has fewer layers, or does not say which it has.
        """
        from plugins.methods.depth import freeze_before

        return freeze_before(model, self.layers)

    def trainable(self, footprint: Footprint) -> int:
        """A share of the layers, and the head."""
        return footprint.linear * min(self.layers, footprint.layers) // footprint.layers + footprint.head

    def param_groups(self, model: LoadedModel, lr: float) -> list[ParamGroup] | None:
        """A group a layer that trains, the head's first, where rates decay."""
        from plugins.methods.depth import decayed

        return decayed(model, lr, self.layer_decay)


@dataclass
class Lora(AdapterMethod):
    """Train low-rank updates of linear layers and convolutions, and the head (Hu et al. 2021, arXiv:2106.09685)."""

    name: ClassVar[str] = "lora"
    additive: ClassVar[bool] = True
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 5e-4}
    needs: ClassVar[Mapping[str, str]] = {
        GRADIENTS: "its updates are trained by gradients",
        ADAPTERS: "it puts updates on some of the submodules",
    }

    rank: int = option(8, "Rank of the update of each matrix.", low=1)
    alpha: float = option(16.0, "The update is scaled by alpha / rank.", above=0)
    dropout: float = option(0.05, "Dropout on the input of the update.", low=0, high=0.9)
    targets: list[str] | None = option(None, "Ends of the names of the modules to adapt; null takes the family's own.")

    def apply(self, model: LoadedModel, plan: Plan) -> LoadedModel:
        """Wrap the module in peft's LoRA; only the updates and the head train.

        Raises:
            ConfigError: A target names nothing, or something that cannot be adapted, such as a depthwise convolution.
        """
        from plugins.methods.lora import wrap

        return wrap(model, self.rank, self.alpha, self.dropout, self.targets)

    def after_step(self, model: LoadedModel, step: int) -> None:
        """After the first step, refuse targets that the network never calls."""
        if step == 0:
            from plugins.methods.targets import refuse_unused

            refuse_unused(model.module.named_parameters())

    def trainable(self, footprint: Footprint) -> int | None:
        """The updates of the family's own targets, and the head; of other targets it is not known beforehand."""
        return None if self.targets is not None else self.rank * footprint.adapted + footprint.head

    def reopen(self, loader: ModelLoader, need: Need) -> LoadedModel:
        """Load the base, and the adapter from `need.saved` onto it."""
        from plugins.methods.lora import reopen

        return reopen(loader, need)


@dataclass
class Qlora(Lora):
    """LoRA on base weights of 4 bits, quantised while they are loaded (Dettmers et al. 2023, arXiv:2305.14314)."""

    name: ClassVar[str] = "qlora"
    additive: ClassVar[bool] = True
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 5e-4}
    requires: ClassVar[Mapping[str, str]] = {"bitsandbytes": 'pip install "graft-tune[qlora]"'}
    needs: ClassVar[Mapping[str, str]] = {**Lora.needs, QUANTISED: "its base weights are quantised"}

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


@dataclass
class Lora8(Lora):
    """LoRA on base weights of 8 bits, quantised while they are loaded (Dettmers et al. 2022, arXiv:2208.07339)."""

    name: ClassVar[str] = "lora8"
    additive: ClassVar[bool] = True
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 5e-4}
    requires: ClassVar[Mapping[str, str]] = {"bitsandbytes": 'pip install "graft-tune[qlora]"'}
    needs: ClassVar[Mapping[str, str]] = {**Lora.needs, QUANTISED: "its base weights are quantised"}

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Where the hardware cannot, and what would do."""
        from plugins.methods.quantised import problems

        yield from super().check(config)
        yield from problems(config, "auto")

    def weights(self) -> WeightsPlan:
        """8 bits, by bitsandbytes."""
        return WeightsPlan(8, "int8", False, "auto", "bitsandbytes")


@hookimpl
def adapter_methods() -> list[type[AdapterMethod]]:
    """The adapter methods of this plugin."""
    return [Full, Head, Freeze, Lora, Qlora, Lora8]
