"""What the model loaders for text share: the check of their options, and the estimate of sizes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core import ModelLoader, Problem, RunConfig
from core.contracts import ADAPTERS, CHECKPOINTING, FEATURES, GRADIENTS, LAYERS, LINEAR, QUANTIZED
from plugins.text.options import TextOptions

if TYPE_CHECKING:
    from core import Footprint


@dataclass
class TextLoader(TextOptions, ModelLoader):
    """A loader of networks of transformers; the type of the head is up to its subclasses."""

    capabilities: ClassVar[frozenset[str]] = frozenset(
        {GRADIENTS, ADAPTERS, LAYERS, FEATURES, QUANTIZED, CHECKPOINTING, LINEAR}
    )
    pooled: ClassVar[bool] = True
    """Whether its heads have a layer before the last one, in architectures that have such a layer."""

    @property
    def from_scratch(self) -> bool:
        """Whether the weights are always random."""
        return self.init == "scratch"

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report options that contradict each other."""
        if not self.checkpoint and self.init != "scratch":
            yield Problem(
                "model.checkpoint",
                "is empty, so there are no weights to start from.",
                "Set model.checkpoint=ORG/NAME or a folder, use a preset "
                f"({'model=llama' if self.causal else 'model=roberta'}), or set model.init=scratch.",
            )
        if self.init == "scratch" and not self.architecture:
            yield Problem(
                "model.architecture",
                "is required with init=scratch.",
                f"Choose one of: {', '.join(self.buildable())}.",
            )
        if self.hidden_size % (2 * self.attention_heads):
            yield Problem(
                "model.hidden_size",
                f"{self.hidden_size} is not a multiple of twice the {self.attention_heads} attention heads.",
            )

        plan = config.method.weights()
        if plan is not None and plan.bits == 4 and self.init == "scratch" and self.hidden_size % 64:
            yield Problem(
                "model.hidden_size",
                f"{self.hidden_size} leaves no layer to quantize: 4-bit layers need inputs in multiples of 64.",
                "Use model.hidden_size=64 (or 128, …), or method=lora.",
            )

    def footprint(self, config: RunConfig, outputs: int) -> Footprint | None:
        """Return sizes from the checkpoint's config.json, or from what is known about the preset."""
        from plugins.text.footprint import footprint

        return footprint(self, outputs, self.pooled)
