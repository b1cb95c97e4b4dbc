"""What Graft knows about each decoder architecture; see `encoders.py`. All of them are causal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from plugins.text.backbones.encoders import Architecture


def _pooled(module: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the hidden state of the last token, [b, d]."""
    return module.pooled(**inputs)  # type: ignore[no-any-return]


def _scored(module: Any, features: Tensor) -> Tensor:
    return module.score(features.to(module.score.weight.dtype))  # type: ignore[no-any-return]


def _llama_sizes(width: int, layers: int, heads: int, positions: int) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "intermediate_size": 3 * width,  # gated: three matrices; an encoder has two of four times the width
        "max_position_embeddings": positions,
    }


_LLAMA = Architecture(
    heads=("score",),
    final="score",
    blocks="model.layers",
    adapter_targets=("self_attn.q_proj", "self_attn.v_proj"),
    features=_pooled,
    head=_scored,
    dropouts=("attention_dropout",),
    sizes=_llama_sizes,
    special_tokens=("<s>", "<pad>", "</s>", "<unk>"),
)
_FUSED = replace(_LLAMA, adapter_targets=("self_attn.qkv_proj",), dropouts=("attention_dropout", "resid_pdrop"))

DECODERS: Mapping[str, Architecture] = {
    **dict.fromkeys(
        ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "smollm3", "olmo2", "starcoder2"),
        _LLAMA,
    ),
    "phi": replace(_LLAMA, dropouts=("attention_dropout", "resid_pdrop")),
    "phi3": _FUSED,
    "gpt2": replace(
        _LLAMA,
        blocks="transformer.h",
        adapter_targets=("attn.c_attn",),
        dropouts=("attn_pdrop", "resid_pdrop", "embd_pdrop"),
    ),
    "opt": replace(_LLAMA, blocks="model.decoder.layers", dropouts=("dropout", "attention_dropout")),
    "gpt_neox": replace(
        _LLAMA,
        blocks="gpt_neox.layers",
        adapter_targets=("attention.query_key_value",),
        dropouts=("attention_dropout", "hidden_dropout"),
    ),
}
"""Decoders by the Hub's `model_type`. A token attends only to earlier tokens, and positions start at 0."""
