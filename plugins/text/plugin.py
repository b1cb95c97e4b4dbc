"""The text plugin: text classification with encoders (BERT, RoBERTa) and decoders (Llama, Qwen)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core import LoadedModel, LoadRequest, ModelLoader, TaskType, hookimpl, option
from core.contracts import BIASES, PAST, VIRTUAL
from core.tasks import TextClassification
from plugins.text.loader import TextLoader
from plugins.text.options import ARCHITECTURES, DECODERS

if TYPE_CHECKING:
    from core.tasks import Predictions


@dataclass
class TextClassifier(TextLoader):
    """The model loader that encoders and decoders share."""

    task_types: ClassVar[tuple[str, ...]] = ("text-classification",)
    capabilities: ClassVar[frozenset[str]] = TextLoader.capabilities | {VIRTUAL}

    def load(self, request: LoadRequest) -> LoadedModel:
        """Find the weights, add a new head for the task, and prepare the matching tokenizer.

        Raises:
            WeightsError: The weights cannot be loaded, or belong to another type of network.
            ConfigError: `max_length` exceeds what the checkpoint can read.
        """
        from plugins.text.loading import load_text_model

        return load_text_model(self, request)

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
