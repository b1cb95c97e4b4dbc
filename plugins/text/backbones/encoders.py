"""What Graft knows about each encoder architecture: head, features, layers, adapter targets, compact size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Architecture:
    """Facts about one `model_type` of transformers and its sequence-classification class.

    Attributes:
        heads: Names of the submodules that form the head.
        final: The last linear layer of the head, which returns the logits.
        blocks: Name of the list of layers between the embeddings and the head's input.
        adapter_targets: Name endings of the attention's projections.
        features: Computes the head's input, [b, ...], from the module and its inputs (`input_ids` and
            `attention_mask`, [b, s], perhaps `token_type_ids`).
        head: Computes logits [b, c] from (module, features).
        dropouts: Names of the dropout rates in the configuration.
        sizes: Maps (width, layers, heads, positions) to entries of a configuration.
        special_tokens: The start, padding, end, unknown and (if any) mask tokens, in the order of their ids.
        word_pieces: Whether its tokenizer is WordPiece (lower-cased), else byte-level BPE.
        segments: Whether the two texts of a pair get different `token_type_ids`.
        pooler: A pretrained layer between backbone and head. If a checkpoint lacks it, it is part of the head.
    """

    heads: tuple[str, ...]
    final: str
    blocks: str
    adapter_targets: tuple[str, ...]
    features: Callable[[Any, Mapping[str, Tensor]], Tensor]
    head: Callable[[Any, Tensor], Tensor]
    dropouts: tuple[str, ...]
    sizes: Callable[[int, int, int, int], dict[str, Any]]
    special_tokens: tuple[str, ...]
    word_pieces: bool = False
    segments: bool = False
    pooler: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Other entries of the compact configuration."""


def _hidden(module: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the last hidden state, [b, s, d]."""
    return module.base_model(**inputs).last_hidden_state  # type: ignore[no-any-return]


def _first(module: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the hidden state of the first token, [b, d]."""
    return _hidden(module, inputs)[:, 0]


def _first_as_sequence(module: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the first token's hidden state as a sequence of one, [b, 1, d]: RoBERTa's head selects it itself."""
    return _hidden(module, inputs)[:, :1]


def _pooled(module: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the first token's hidden state or the mean of all, as configured, [b, d]."""
    hidden = _hidden(module, inputs)
    if module.config.classifier_pooling == "cls":
        return hidden[:, 0]
    weights = inputs["attention_mask"].unsqueeze(-1)
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
    # Positions start at the padding token's id plus one.
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
    # Its gated feed-forward layer has three matrices instead of two, hence the smaller inner width.
    return {**_bert_sizes(width, layers, heads, positions), "intermediate_size": 2 * width}


_BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

ARCHITECTURES: Mapping[str, Architecture] = {
    "bert": Architecture(
        heads=("classifier",),
        final="classifier",
        blocks="bert.encoder.layer",
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
        blocks="roberta.encoder.layer",
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
        blocks="distilbert.transformer.layer",
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
        blocks="model.layers",
        adapter_targets=("attn.Wqkv",),
        features=_pooled,
        head=_modernbert_head,
        dropouts=("mlp_dropout", "attention_dropout", "embedding_dropout", "classifier_dropout"),
        sizes=_modernbert_sizes,
        special_tokens=("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"),
        extra={"classifier_pooling": "mean"},
    ),
}


_FINAL_NORMS = tuple(f"{norm}.{what}" for norm in ("ln_f", "final_layer_norm") for what in ("weight", "bias"))
"""Final norms of decoders that have another name, or that are created before the blocks."""


def layers(module: nn.Module, blocks: str, heads: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return parameter names by depth: embeddings, each block (the last with a final norm), pooler and head.

    Args:
        module: A sequence-classification network.
        blocks: Name of the list of its blocks.
        heads: Names of the submodules that form the head.
    """
    count = len(list(module.get_submodule(blocks).children()))
    found: list[list[str]] = [[] for _ in range(count + 2)]
    last = tuple(f"{name}." for name, child in module.named_modules() if name in heads or name.endswith(".pooler"))
    passed = False
    for name, _ in module.named_parameters():
        inside = name.startswith(f"{blocks}.")
        passed = passed or inside
        if name.startswith(last):
            found[-1].append(name)
        elif inside:
            found[1 + int(name.removeprefix(f"{blocks}.").partition(".")[0])].append(name)
        else:
            final = name.endswith(_FINAL_NORMS) or (passed and "norm" in name.lower())
            found[count if final else 0].append(name)
    return tuple(tuple(names) for names in found if names)


def block_list(module: Any) -> str:
    """Return the name of the only list of blocks in an unknown backbone; empty if there is not exactly one."""
    prefix = f"{module.base_model_prefix}."
    named = module.named_modules()
    lists = [name for name, child in named if isinstance(child, nn.ModuleList) and list(child.parameters())]
    outer = [name for name in lists if not any(name.startswith(f"{other}.") for other in lists)]
    return outer[0] if len(outer) == 1 and outer[0].startswith(prefix) else ""
