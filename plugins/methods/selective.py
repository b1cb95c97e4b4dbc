"""Methods that train the model's own weights: all, the last layers, the head, or the biases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core import AdapterMethod, LoadedModel, ParamGroup, Problem, TrainingPlan, option
from core.contracts import BIASES, GRADIENTS, LAYERS
from core.registry import lacking

if TYPE_CHECKING:
    from core import Footprint, RunConfig

_DECAY_HELP = (
    "Learning rate of each layer relative to the next one; the head has the full rate. 1: the same rate everywhere."
)


@dataclass
class Full(AdapterMethod):
    """Train every weight."""

    name: ClassVar[str] = "full"
    needs: ClassVar[Mapping[str, str]] = {}

    layer_decay: float = option(1.0, _DECAY_HELP, above=0, high=1)

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report a model that does not declare its layers, if learning rates depend on depth."""
        if self.layer_decay == 1:
            return
        model = type(config.model)
        lacks = lacking(model, GRADIENTS) or lacking(model, LAYERS)
        if lacks:
            yield Problem("method.layer_decay", f"gives each layer a learning rate, but {lacks}.", "Leave it at 1.")

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Make every weight trainable.

        Raises:
            ConfigError: `layer_decay` is not 1, and the model does not declare its layers.
        """
        if self.layer_decay != 1:
            from plugins.methods.layer_decay import layers_by_depth

            layers_by_depth(model)
        for parameter in model.module.parameters():
            parameter.requires_grad_(True)
        return model

    def trainable(self, footprint: Footprint) -> int:
        """Return the number of all weights."""
        return footprint.parameters + footprint.head

    def param_groups(self, model: LoadedModel, lr: float) -> list[ParamGroup] | None:
        """Return one group per layer, the head first, if learning rates decay."""
        from plugins.methods.layer_decay import decayed_groups

        return decayed_groups(model, lr, self.layer_decay)


@dataclass
class Head(AdapterMethod):
    """Train only the task's head, on features of the frozen backbone that are computed once."""

    name: ClassVar[str] = "head"
    defaults: ClassVar[Mapping[str, float]] = {"epochs": 20, "learning_rate": 1e-3}
    needs: ClassVar[Mapping[str, str]] = {GRADIENTS: "its head is trained by gradients"}
    frozen: ClassVar[bool] = True

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report a model from scratch, whose features are random."""
        if config.model.from_scratch:
            yield Problem(
                "method",
                "head trains on the features of a frozen backbone, and those of a model from scratch are random.",
                "Use method=full, or model.init=pretrained.",
            )

    def trainable(self, footprint: Footprint) -> int:
        """Return the number of weights in the head."""
        return footprint.head

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Freeze everything but the head. Features are computed once if examples do not change between epochs."""
        from plugins.methods.cached_features import train_on_features

        return train_on_features(model, plan)


@dataclass
class Freeze(AdapterMethod):
    """Train the last layers and the head. Earlier layers stay as they are."""

    name: ClassVar[str] = "freeze"
    needs: ClassVar[Mapping[str, str]] = {
        GRADIENTS: "its last layers are trained by gradients",
        LAYERS: "it trains the last layers",
    }

    layers: int = option(1, "How many of the last layers to train, besides the head.", low=1)
    layer_decay: float = option(1.0, _DECAY_HELP, above=0, high=1)

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report a model from scratch, whose frozen layers would stay random."""
        if config.model.from_scratch:
            yield Problem(
                "method",
                "freeze keeps the first layers as they are, and those of a model from scratch are random.",
                "Use method=full, or model.init=pretrained.",
            )

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Freeze everything but the last layers and the head. Frozen batch norms keep their statistics too.

        Raises:
            ConfigError: The model has fewer layers, or does not say which it has.
        """
        from plugins.methods.layer_decay import freeze_before

        return freeze_before(model, self.layers)

    def trainable(self, footprint: Footprint) -> int:
        """Return the number of weights in the last layers and the head."""
        return footprint.linear * min(self.layers, footprint.layers) // footprint.layers + footprint.head

    def param_groups(self, model: LoadedModel, lr: float) -> list[ParamGroup] | None:
        """Return one group per trained layer, the head first, if learning rates decay."""
        from plugins.methods.layer_decay import decayed_groups

        return decayed_groups(model, lr, self.layer_decay)


@dataclass
class BitFit(AdapterMethod):
    """Train the biases and the head (Ben Zaken et al. 2021, arXiv:2106.10199)."""

    name: ClassVar[str] = "bitfit"
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 1e-3}
    needs: ClassVar[Mapping[str, str]] = {
        GRADIENTS: "its biases are trained by gradients",
        BIASES: "it trains biases",
    }

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report a model from scratch, whose matrices would stay random."""
        if config.model.from_scratch:
            yield Problem(
                "method",
                "bitfit keeps every matrix as it is, and those of a model from scratch are random.",
                "Use method=full, or model.init=pretrained.",
            )

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Freeze everything but the head and parameters named `bias`. Batch norms keep updating their statistics.

        Raises:
            ConfigError: No module outside the head has a bias.
        """
        from plugins.methods.freezing import free_biases

        return free_biases(model)
