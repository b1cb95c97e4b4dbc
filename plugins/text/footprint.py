"""Sizes of text networks, computed from their configurations without torch, to estimate memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.contracts import Footprint
from core.pretrained import local_file
from plugins.text.options import TextOptions

GATED = frozenset(
    {"llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "smollm3", "olmo2", "phi3", "modernbert"}
)
"""Architectures whose feed-forward layer has three matrices, by the Hub's `model_type`; others have two."""
FUSED = frozenset({"gpt2", "phi3", "modernbert", "gpt_neox"})
"""Architectures with one matrix for queries, keys and values; adapters wrap it by default."""
POOLED = frozenset({"bert", "roberta", "distilbert", "modernbert"})
"""Architectures whose head has a square matrix before its last matrix."""


def _llama(width: int, layers: int, heads: int, inner: int) -> dict[str, Any]:
    return {
        "model_type": "llama", "vocab_size": 128256, "hidden_size": width, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": 8, "intermediate_size": inner,
    }  # fmt: skip


def _bert(name: str, vocabulary: int, layers: int = 12) -> dict[str, Any]:
    return {
        "model_type": name, "vocab_size": vocabulary, "hidden_size": 768, "num_hidden_layers": layers,
        "num_attention_heads": 12, "intermediate_size": 3072, "max_position_embeddings": 512,
    }  # fmt: skip


KNOWN: Mapping[str, Mapping[str, Any]] = {
    "meta-llama/Llama-3.2-1B": _llama(2048, 16, 32, 8192),
    "meta-llama/Llama-3.2-3B": _llama(3072, 28, 24, 8192),
    "meta-llama/Llama-3.1-8B": _llama(4096, 32, 32, 14336),
    "FacebookAI/roberta-base": _bert("roberta", 50265),
    "google-bert/bert-base-uncased": _bert("bert", 30522),
    "distilbert/distilbert-base-uncased": _bert("distilbert", 30522, layers=6),
    "answerdotai/ModernBERT-base": {
        **_bert("modernbert", 50368, layers=22), "intermediate_size": 1152, "max_position_embeddings": 0,
    },
}  # fmt: skip
"""Configurations of the presets' checkpoints, used when the checkpoint has not been downloaded."""


def footprint(options: TextOptions, outputs: int, pooled: bool = True) -> Footprint | None:
    """Return the footprint of the described model; None if its checkpoint is neither on this machine nor known.

    Args:
        options: The description.
        outputs: Number of outputs of the head.
        pooled: Whether the head has a square matrix before its last one, in the architectures of `POOLED`.
    """
    if options.init == "scratch":
        found: Mapping[str, Any] | None = _compact(options)
    else:
        path = local_file(options.checkpoint, "config.json")
        found = _read(path) if path else KNOWN.get(options.checkpoint.partition("@")[0])
    if found is None:
        return None
    rate = options.dropout if options.dropout is not None else _dropout(found)
    sizes = footprint_of(found, outputs, options.max_length, options.causal, rate > 0)
    return sizes if sizes is None or pooled else replace(sizes, head=sizes.width * outputs)


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def _compact(options: TextOptions) -> dict[str, Any]:
    """Return the configuration of the compact network; see `sizes` in encoders.py and decoders.py."""
    inner = 3 if options.causal else 2 if options.architecture == "modernbert" else 4
    return {
        "model_type": options.architecture, "vocab_size": options.vocabulary, "hidden_size": options.hidden_size,
        "num_hidden_layers": options.layers, "num_attention_heads": options.attention_heads,
        "intermediate_size": inner * options.hidden_size,
        "max_position_embeddings": 0 if options.causal else options.max_length, "attention_dropout": 0.3,
    }  # fmt: skip


def footprint_of(config: Mapping[str, Any], outputs: int, tokens: int, causal: bool, dropout: bool) -> Footprint | None:
    """Return the footprint of a transformers configuration; None if it lacks a size.

    Args:
        config: The contents of config.json.
        outputs: Number of outputs of the head.
        tokens: Maximum number of tokens per text.
        causal: Whether the network is a decoder.
        dropout: Whether attention uses dropout, so that its weights are stored in memory.
    """
    kind = str(config.get("model_type", ""))
    width = _first(config, "hidden_size", "dim", "n_embd")
    layers = _first(config, "num_hidden_layers", "n_layers", "n_layer")
    heads, vocabulary = _first(config, "num_attention_heads", "n_heads", "n_head"), _first(config, "vocab_size")
    if not (width and layers and heads and vocabulary):
        return None
    inner = _first(config, "intermediate_size", "hidden_dim", "ffn_dim", "n_inner") or 4 * width
    head_width = _first(config, "head_dim") or width // heads
    queries, keys = heads * head_width, (_first(config, "num_key_value_heads") or heads) * head_width
    rotary = (causal and kind not in ("gpt2", "opt")) or kind == "modernbert"
    positions = 0 if rotary else _first(config, "max_position_embeddings", "n_positions", "n_ctx")
    gated = kind in GATED
    block = width * (2 * queries + 2 * keys) + (3 if gated else 2) * width * inner
    linear = layers * block
    head = width * outputs + (width * width if kind in POOLED else 0)
    wrapped = width + queries + 2 * keys if kind in FUSED else 2 * width + queries + keys
    return Footprint(
        parameters=linear + width * (vocabulary + positions + 2 * layers),
        linear=linear,
        head=head,
        adapted=layers * wrapped,
        layers=layers,
        width=width,
        kept=(10 if gated else 8) * width + (4 if gated else 2) * inner,
        pairs=3 * heads if dropout else 0,
        tokens=tokens,
        halves=causal,
    )


def _dropout(config: Mapping[str, Any]) -> float:
    """Return the dropout rate of attention weights. Encoders have a nonzero rate by default."""
    names = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
    usual = 0.1 if config.get("model_type") in ("bert", "roberta", "distilbert", "gpt2") else 0.0
    return next((float(config[name]) for name in names if config.get(name) is not None), usual)


def _first(config: Mapping[str, Any], *names: str) -> int:
    """Return the first of several configuration entries that is set, or 0."""
    return next((int(config[name]) for name in names if config.get(name)), 0)
