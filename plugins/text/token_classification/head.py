"""The head of token classification: a row of logits per token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from core.contracts import LoadRequest
from plugins.text.backbones.encoders import ARCHITECTURES, Architecture
from plugins.text.backbones.head_type import HeadType
from plugins.text.backbones.networks import is_decoder
from plugins.text.token_classification.example import TokenExample


def network_of(config: Any) -> Any:
    """Return the token-classification class for a configuration.

    Raises:
        ValueError: transformers has no such class, or the network is a decoder, whose tokens do not see later ones.
    """
    from transformers import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING as CLASSES

    if is_decoder(config):
        message = f"{config.model_type} is a decoder, in which a token does not see the words after it"
        raise ValueError(f"{message}; use an encoder, such as model=roberta")
    if type(config) not in CLASSES:
        raise ValueError(f"transformers has no token classifier for the architecture {config.model_type!r}")
    return CLASSES[type(config)]


def _entries(request: LoadRequest) -> dict[str, Any]:
    """Return the tags as entries of transformers' configuration."""
    return {
        "id2label": dict(enumerate(request.labels)),
        "label2id": {name: index for index, name in enumerate(request.labels)},
        "problem_type": None,
    }


def _texts(examples: Sequence[TokenExample]) -> Iterator[str]:
    return (examples[row].text for row in range(len(examples)))


def _features(module: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the hidden state of each token, [b, s, d]."""
    return module.base_model(**inputs).last_hidden_state  # type: ignore[no-any-return]


def _head(module: Any, features: Tensor) -> Tensor:
    return module.classifier(module.dropout(features))  # type: ignore[no-any-return]


def _with_tokens(name: str, architecture: Architecture) -> Architecture:
    """Return the facts about an architecture of which only the head is another."""
    deep = name == "modernbert"
    return replace(
        architecture,
        heads=("head", "classifier") if deep else ("classifier",),
        final="classifier",
        features=_features,
        head=architecture.head if deep else _head,
        pooler="",
    )


TOKENS = HeadType(
    class_name="TokenClassification",
    architectures={name: _with_tokens(name, each) for name, each in ARCHITECTURES.items()},
    network_of=network_of,
    entries=_entries,
    texts=_texts,
    lowercase=False,  # capital letters tell names from other words
)
"""The head of token classification."""
