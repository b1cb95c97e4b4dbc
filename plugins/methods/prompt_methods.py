"""Methods that train virtual tokens before a text, or before each layer's keys and values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core import AdapterMethod, LoadedModel, LoadRequest, ModelLoader, Problem, TrainingPlan, option
from core.contracts import GRADIENTS, PAST, VIRTUAL

if TYPE_CHECKING:
    from core import RunConfig

_TEXT = ("text-classification",)
_TOKENS_HELP = "Number of virtual tokens. The maximum text length shrinks by as many."


@dataclass
class Prompt(AdapterMethod):
    """Train virtual tokens in front of each text, and the head (Lester et al. 2021, arXiv:2104.08691)."""

    name: ClassVar[str] = "prompt"
    task_types: ClassVar[tuple[str, ...]] = _TEXT
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 1e-2}
    needs: ClassVar[Mapping[str, str]] = {
        GRADIENTS: "its virtual tokens are trained by gradients",
        VIRTUAL: "it puts virtual tokens before a text",
    }
    unmergeable: ClassVar[str] = "virtual tokens are inputs of the network, not changes of its weights"

    tokens: int = option(20, _TOKENS_HELP, low=1)

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Wrap the module in peft's prompt tuning. The tokens start as words of the vocabulary.

        Raises:
            ConfigError: The tokens leave no room for texts, or peft does not support the architecture.
        """
        from plugins.methods.virtual_tokens import add_prompt

        return add_prompt(model, self.tokens, plan.seed)

    def reopen(self, loader: ModelLoader, request: LoadRequest) -> LoadedModel:
        """Return the base model with the virtual tokens from `request.saved`."""
        from plugins.methods.peft_model import reopen

        return reopen(loader, request)


@dataclass
class Prefix(AdapterMethod):
    """Train keys and values in front of those of each layer, and the head (Li, Liang 2021, arXiv:2101.00190)."""

    name: ClassVar[str] = "prefix"
    task_types: ClassVar[tuple[str, ...]] = _TEXT
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 1e-2}
    needs: ClassVar[Mapping[str, str]] = {
        GRADIENTS: "its prefix is trained by gradients",
        PAST: "it puts keys and values before those of a text",
    }
    unmergeable: ClassVar[str] = "a prefix adds keys and values to each layer's own, and changes no weights"

    tokens: int = option(20, _TOKENS_HELP, low=1)

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report options that contradict each other."""
        if config.train.gradient_checkpointing:
            message = "recomputes layers without the keys and values of the prefix."
            yield Problem("train.gradient_checkpointing", message, "Leave it out, or use method=prompt.")

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Wrap the module in peft's prefix tuning.

        Raises:
            ConfigError: The tokens leave no room for texts, or peft does not support the architecture.
        """
        from plugins.methods.virtual_tokens import add_prefix

        return add_prefix(model, self.tokens)

    def reopen(self, loader: ModelLoader, request: LoadRequest) -> LoadedModel:
        """Return the base model with the prefix from `request.saved`."""
        from plugins.methods.peft_model import reopen

        return reopen(loader, request)
