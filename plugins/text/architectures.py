"""What Graft knows of each encoder architecture: its head, what feeds it, what adapters may wrap, its compact size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Architecture:
    """One `model_type` of transformers, as its sequence-classification class is written.

    Attributes:
        heads: Submodules that are the head.
        final: The last linear layer of the head, which makes the logits.
        adapter_targets: Ends of the names of the attention's projections.
        features: What the class feeds its head: from (module, last hidden state [b, s, d], attention mask [b, s]) to
            [b, ...].
        head: The head on its own: from (module, features) to logits [b, c].
        dropouts: Names of the dropout rates in the configuration.
        sizes: From (width, layers, heads, positions) to the sizes of a configuration.
        special_tokens: The tokens that start, pad, end, stand for the unknown and mask, in the order of their ids.
        word_pieces: Whether its tokenizer is WordPiece (lower-cased), else byte-level BPE.
        segments: Whether the two texts of a pair get different `token_type_ids`.
        pooler: A pretrained layer between backbone and head that a checkpoint may lack; it is then part of the head.
    """

    heads: tuple[str, ...]
    final: str
    adapter_targets: tuple[str, ...]
    features: Callable[[Any, Tensor, Tensor], Tensor]
    head: Callable[[Any, Tensor], Tensor]
    dropouts: tuple[str, ...]
    sizes: Callable[[int, int, int, int], dict[str, Any]]
    special_tokens: tuple[str, ...]
    word_pieces: bool = False
    segments: bool = False
    pooler: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """More of the compact configuration."""


def _first(module: Any, hidden: Tensor, mask: Tensor) -> Tensor:
    """The hidden state of the first token, [b, d]."""
    return hidden[:, 0]


def _first_as_sequence(module: Any, hidden: Tensor, mask: Tensor) -> Tensor:
    """The hidden state of the first token as a sequence of one, [b, 1, d]: RoBERTa's head picks it out itself."""
    return hidden[:, :1]


def _pooled(module: Any, hidden: Tensor, mask: Tensor) -> Tensor:
    """As the configuration says, the first token or the mean of all, [b, d]."""
    if module.config.classifier_pooling == "cls":
        return hidden[:, 0]
    weights = mask.unsqueeze(-1)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


def _bert_head(module: Any, features: Tensor) -> Tensor:
    return module.classifier(module.dropout(module.bert.pooler.activation(module.bert.pooler.dense(features))))  # type: ignore[no-any-return]


def _roberta_head(module: Any, features: Tensor) -> Tensor:
    return module.classifier(features)  # type: ignore[no-any-return]


def _distilbert_head(module: Any, features: Tensor) -> Tensor:
    return module.classifier(module.dropout(nn.functional.relu(module.pre_classifier(features))))  # type: ignore[no-any-return]


def _modernbert_head(module: Any, features: Tensor) -> Tensor:
    return module.classifier(module.drop(module.head(features)))  # type: ignore[no-any-return]


def _bert_sizes(width: int, layers: int, heads: int, positions: int) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "max_position_embeddings": positions,
    }


def _roberta_sizes(width: int, layers: int, heads: int, positions: int) -> dict[str, Any]:
    # Positions are counted from the id of the padding token, plus one.
    return {**_bert_sizes(width, layers, heads, positions + 2), "type_vocab_size": 1}


def _distilbert_sizes(width: int, layers: int, heads: int, positions: int) -> dict[str, Any]:
    return {
        "dim": width,
        "n_layers": layers,
        "n_heads": heads,
        "hidden_dim": 4 * width,
        "max_position_embeddings": positions,
    }


def _modernbert_sizes(width: int, layers: int, heads: int, positions: int) -> dict[str, Any]:
    # Its gated feed-forward layer has half as many matrices again, hence the smaller inner width.
    return {**_bert_sizes(width, layers, heads, positions), "intermediate_size": 2 * width}


_BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

ARCHITECTURES: Mapping[str, Architecture] = {
    "bert": Architecture(
        heads=("classifier",),
        final="classifier",
        adapter_targets=("attention.self.query", "attention.self.value"),
        features=_first,
        head=_bert_head,
        dropouts=("hidden_dropout_prob", "attention_probs_dropout_prob"),
        sizes=_bert_sizes,
        special_tokens=_BERT_TOKENS,
        word_pieces=True,
        segments=True,
        pooler="bert.pooler",
    ),
    "roberta": Architecture(
        heads=("classifier",),
        final="classifier.out_proj",
        adapter_targets=("attention.self.query", "attention.self.value"),
        features=_first_as_sequence,
        head=_roberta_head,
        dropouts=("hidden_dropout_prob", "attention_probs_dropout_prob"),
        sizes=_roberta_sizes,
        special_tokens=("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    ),
    "distilbert": Architecture(
        heads=("pre_classifier", "classifier"),
        final="classifier",
        adapter_targets=("attention.q_lin", "attention.v_lin"),
        features=_first,
        head=_distilbert_head,
        dropouts=("dropout", "attention_dropout"),
        sizes=_distilbert_sizes,
        special_tokens=_BERT_TOKENS,
        word_pieces=True,
    ),
    "modernbert": Architecture(
        heads=("head", "classifier"),
        final="classifier",
        adapter_targets=("attn.Wqkv",),
        features=_pooled,
        head=_modernbert_head,
        dropouts=("mlp_dropout", "attention_dropout", "embedding_dropout", "classifier_dropout"),
        sizes=_modernbert_sizes,
        special_tokens=("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"),
        extra={"classifier_pooling": "mean"},
    ),
}
