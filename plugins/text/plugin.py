"""What the text plugin announces: text classification, and encoders such as BERT and RoBERTa to do it with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.capabilities import ADAPTERS, BIASES, FEATURES, GRADIENTS, LAYERS, LINEAR, VIRTUAL
from core.config import RunConfig
from core.contracts import LoadedModel, ModelLoader, Need
from core.errors import Problem
from core.hooks import hookimpl
from core.kinds import Kind, TextClassification
from core.options import option

if TYPE_CHECKING:
    from core.kinds import Predictions

ARCHITECTURES = ("roberta", "bert", "distilbert", "modernbert")
"""What can be built from scratch, by the Hub's `model_type`."""


@dataclass
class Encoder(ModelLoader):
    """A text encoder (BERT, RoBERTa and their kin) with a classification head, from transformers."""

    name: ClassVar[str] = "encoder"
    kinds: ClassVar[tuple[str, ...]] = ("text-classification",)
    capabilities: ClassVar[frozenset[str]] = frozenset({GRADIENTS, ADAPTERS, LAYERS, FEATURES, LINEAR, VIRTUAL})
    partly: ClassVar[Mapping[str, str]] = {
        BIASES: "all but ModernBERT, which has none outside its head and is refused when loaded"
    }

    checkpoint: str = option(
        "",
        "A Hub id (org/name or org/name@revision), a local folder, or pkg:NAME for weights in a Python package.",
        folder=True,
    )
    init: str = option(
        "auto",
        "auto: pretrained weights, or a compact model from scratch where there is no network; pretrained: or fail; "
        "scratch: never touches the network.",
        choices=("auto", "pretrained", "scratch"),
    )
    architecture: str = option(
        "",
        "What to build where training is from scratch; empty where the checkpoint must say.",
        choices=("", *ARCHITECTURES),
    )
    sha256: str = option("", "What model.safetensors must hash to; empty for anything.")
    max_length: int = option(
        256, "Tokens of a text (or pair) that are read; the rest is cut off and counted.", low=8, high=32768
    )
    dropout: float | None = option(
        None,
        "Dropout of hidden states and attention; null takes the checkpoint's own (0.3 from scratch).",
        low=0,
        high=0.9,
    )
    hidden_size: int = option(128, "From scratch: width of the compact model, a multiple of its heads.", low=8)
    layers: int = option(2, "From scratch: layers of the compact model.", low=1)
    attention_heads: int = option(4, "From scratch: attention heads of the compact model.", low=1)
    vocabulary: int = option(4000, "From scratch: most tokens that its tokenizer learns.", low=300)

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Options that contradict each other."""
        if not self.checkpoint and self.init != "scratch":
            yield Problem(
                "model.checkpoint",
                "is empty, so there are no weights to start from.",
                "Give model.checkpoint=ORG/NAME or a folder, take a preset (model=roberta), or set model.init=scratch.",
            )
        if self.init == "scratch" and not self.architecture:
            yield Problem(
                "model.architecture", "must be given with init=scratch.", f"It is one of: {', '.join(ARCHITECTURES)}."
            )
        if self.hidden_size % (2 * self.attention_heads):
            yield Problem(
                "model.hidden_size",
                f"{self.hidden_size} is not a multiple of twice the {self.attention_heads} attention heads.",
            )

    def load(self, need: Need) -> LoadedModel:
        """Find the weights, put a fresh head for the task on them, and tokenize as they expect.

        Raises:
            WeightsError: The weights cannot be had, or are not those of an encoder.
            ConfigError: `max_length` is more than the checkpoint can read.
        """
        from plugins.text.loading import load

        return load(self, need)

    def baselines(self, need: Need, examples: Sequence[Any]) -> dict[str, Predictions]:
        """TF-IDF of words and word pairs with a linear model, fitted to the training split."""
        from plugins.text.baselines import tfidf_linear

        return {"tfidf_linear": tfidf_linear(need, examples)}


@hookimpl
def kinds() -> Sequence[type[Kind]]:
    """Text classification: one label, several labels, pairs, or a value."""
    return [TextClassification]


@hookimpl
def model_loaders() -> Sequence[type[ModelLoader]]:
    """Encoders."""
    return [Encoder]
