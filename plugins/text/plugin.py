"""The text plugin: text classification with encoders (BERT, RoBERTa) and decoders (Llama, Qwen)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core import LoadedModel, LoadRequest, ModelLoader, Problem, RunConfig, TaskType, hookimpl, option
from core.contracts import (
    ADAPTERS,
    BIASES,
    CHECKPOINTING,
    FEATURES,
    GRADIENTS,
    LAYERS,
    LINEAR,
    PAST,
    QUANTIZED,
    VIRTUAL,
)
from core.tasks import TextClassification
from plugins.text.options import ARCHITECTURES, DECODERS, TextOptions

if TYPE_CHECKING:
    from core import Footprint
    from core.tasks import Predictions


@dataclass
class TextClassifier(TextOptions, ModelLoader):
    """The model loader that encoders and decoders share."""

    task_types: ClassVar[tuple[str, ...]] = ("text-classification",)
    capabilities: ClassVar[frozenset[str]] = frozenset(
        {GRADIENTS, ADAPTERS, LAYERS, FEATURES, QUANTIZED, CHECKPOINTING, LINEAR, VIRTUAL}
    )

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
                "Set model.checkpoint=ORG/NAME or a folder, use a preset (model=roberta, model=llama), or set "
                "model.init=scratch.",
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

    def load(self, request: LoadRequest) -> LoadedModel:
        """Find the weights, add a new head for the task, and prepare the matching tokenizer.

        Raises:
            WeightsError: The weights cannot be loaded, or belong to another type of network.
            ConfigError: `max_length` exceeds what the checkpoint can read.
        """
        from plugins.text.loading import load_text_model

        return load_text_model(self, request)

    def footprint(self, config: RunConfig, outputs: int) -> Footprint | None:
        """Return sizes from the checkpoint's config.json, or from what is known about the preset."""
        from plugins.text.footprint import footprint

        return footprint(self, outputs)

    def baselines(self, request: LoadRequest, examples: Sequence[Any]) -> dict[str, Predictions]:
        """Return the predictions of a linear model on TF-IDF of words and word pairs; none for other layouts."""
        from plugins.text.baselines import LAYOUTS, tfidf_linear

        if request.output.layout not in LAYOUTS:
            return {}
        return {"tfidf_linear": tfidf_linear(request, examples)}


@dataclass
class Encoder(TextClassifier):
    """A text encoder (BERT, RoBERTa and similar) with a classification head, from transformers."""

    name: ClassVar[str] = "encoder"
    partly: ClassVar[Mapping[str, str]] = {
        BIASES: "all but ModernBERT, which has none outside its head and is refused when loaded"
    }
    causal: ClassVar[bool] = False

    architecture: str = option(
        "",
        "The architecture to build from scratch. If empty, the checkpoint must name it.",
        choices=("", *ARCHITECTURES),
    )


@dataclass
class Decoder(TextClassifier):
    """A text decoder (Llama, Qwen, Mistral, Gemma and similar) as a classifier; its last token feeds the head."""

    name: ClassVar[str] = "decoder"
    capabilities: ClassVar[frozenset[str]] = TextClassifier.capabilities | {PAST}
    partly: ClassVar[Mapping[str, str]] = {
        BIASES: "GPT-2, OPT, Qwen2 and similar models; Llama has none outside its head and is refused when loaded"
    }
    causal: ClassVar[bool] = True

    architecture: str = option(
        "",
        "The architecture to build from scratch. If empty, the checkpoint must name it.",
        choices=("", *DECODERS),
    )


@hookimpl
def task_types() -> Sequence[type[TaskType]]:
    """Return the task type text-classification."""
    return [TextClassification]


@hookimpl
def model_loaders() -> Sequence[type[ModelLoader]]:
    """Return encoders and decoders."""
    return [Encoder, Decoder]
