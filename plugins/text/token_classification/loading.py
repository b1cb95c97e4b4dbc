"""Load a token classifier: pretrained, from scratch, or as saved by a run."""

from __future__ import annotations

from core.contracts import LoadRequest
from plugins.text.loading import load_network
from plugins.text.token_classification.head import TOKENS
from plugins.text.token_classification.loader import ALL, TokenEncoder
from plugins.text.token_classification.model import FeaturedTokenClassifier, TokenClassifierModel


def load_token_model(options: TokenEncoder, request: LoadRequest) -> TokenClassifierModel:
    """Return the token classifier that `options` describe."""
    network = load_network(options, request, TOKENS)
    network.tokenizer.truncation_side = network.tokenizer.padding_side = "right"  # the order of windows and columns
    kind = TokenClassifierModel if network.architecture is None else FeaturedTokenClassifier
    return kind(network, options.overlap, options.subwords == ALL)
