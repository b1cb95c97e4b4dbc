"""The model loader of token classification: an encoder with a head on each word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core import LoadedModel, LoadRequest, option
from core.contracts import BIASES
from plugins.text.loader import TextLoader
from plugins.text.options import ARCHITECTURES
from plugins.text.token_classification.example import TAGS, TokenClassification

if TYPE_CHECKING:
    from core.tasks import Predictions

FIRST, ALL = "first", "all"


@dataclass
class TokenEncoder(TextLoader):
    """A text encoder (BERT, RoBERTa and similar) with a head on each word, from transformers."""

    name: ClassVar[str] = "token_encoder"
    variant_of: ClassVar[str] = "encoder"
    task_types: ClassVar[tuple[str, ...]] = (TokenClassification.name,)
    targets: ClassVar[tuple[str, ...]] = (TAGS,)
    partly: ClassVar[Mapping[str, str]] = {
        BIASES: "all but ModernBERT, which has none outside its head and is refused when loaded"
    }
    causal: ClassVar[bool] = False
    pooled: ClassVar[bool] = False

    architecture: str = option(
        "",
        "The architecture to build from scratch. If empty, the checkpoint must name it.",
        choices=("", *ARCHITECTURES),
    )
    max_length: int = option(
        256, "Maximum number of tokens in a window. Longer texts are read in overlapping windows.", low=8, high=32768
    )
    overlap: float = option(0.25, "Share of a window that the next window of a long text repeats.", low=0, high=0.9)
    subwords: str = option(
        ALL,
        "Which subwords of a word learn its tag: all (those after the first as the inside of the span), or the first. "
        "Predictions and scores use the first.",
        choices=(ALL, FIRST),
    )

    def load(self, request: LoadRequest) -> LoadedModel:
        """Find the weights, add a new head for the tags, and prepare the matching tokenizer.

        Raises:
            WeightsError: The weights cannot be loaded, or belong to another type of network.
            ConfigError: `max_length` exceeds what the checkpoint can read.
        """
        from plugins.text.token_classification.loading import load_token_model

        return load_token_model(self, request)

    def baselines(self, request: LoadRequest, examples: Sequence[Any]) -> dict[str, Predictions]:
        """Return, for each word, the tag that it has most often in the training split."""
        from plugins.text.token_classification.baseline import most_frequent_tags

        return {"most_frequent_tag": most_frequent_tags(request, examples)}
