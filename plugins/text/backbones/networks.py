"""Networks of transformers: their class, dtype, quantization and head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.contracts import LoadRequest
from plugins.text import quantization
from plugins.text.backbones.decoders import DECODERS
from plugins.text.backbones.encoders import ARCHITECTURES as ENCODERS
from plugins.text.backbones.pooling import LastToken, classifier
from plugins.text.options import TextOptions

ARCHITECTURES = {**ENCODERS, **DECODERS}
"""All architectures that Graft knows, by the Hub's `model_type`."""


def network_of(config: Any) -> Any:
    """Return the sequence-classification class for a configuration. Decoders get Graft's pooling.

    Raises:
        ValueError: transformers has no such class.
    """
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as CLASSES

    if type(config) not in CLASSES:
        raise ValueError(f"transformers has no sequence classifier for the architecture {config.model_type!r}")
    network = CLASSES[type(config)]
    return classifier(network) if _is_decoder(network, config) else network


def _is_decoder(network: type[Any], config: Any) -> bool:
    """Return whether the last token feeds the head, as in all networks with causal attention.

    An unknown architecture counts as a decoder if transformers has a causal language model for it and no masked one.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING as CAUSAL
    from transformers import MODEL_FOR_MASKED_LM_MAPPING as FILLING
    from transformers.modeling_layers import GenericForSequenceClassification

    if config.model_type in DECODERS or issubclass(network, GenericForSequenceClassification):
        return True
    return type(config) in CAUSAL and type(config) not in FILLING


def read(
    options: TextOptions, request: LoadRequest, folder: Path, config: Any
) -> tuple[Any, Mapping[str, Any], Sequence[str]]:
    """Return the network, the loading report, and the names of layers that cannot be quantized.

    A head of another size is initialized anew. Heads are always float32.

    Raises:
        ValueError: It is a decoder whose head is not called `score`.
    """
    network, more, odd = network_of(config), dict[str, Any](), list[str]()
    if request.weights is not None:
        heads, odd = quantization.unquantized_layers(network, config, heads_of(network, config), request.weights.bits)
        more = quantization.options(request.weights, request, (*heads, *odd))
    module, info = network.from_pretrained(
        str(folder),
        config=config,
        dtype=_dtype(options, request),
        local_files_only=True,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
        **more,
    )
    if isinstance(module, LastToken) and not hasattr(module, "score"):
        raise ValueError(f"{type(module).__name__} has no head named score")
    for name in heads_in(module):
        module.get_submodule(name).float()
    if request.weights is not None:
        quantization.prevent_permanent_changes(module, quantization.compute_dtype(request.weights, request.precision))
    return module, info, odd


def unquantized(network: Any, folder: Path) -> nn.Module:
    """Load the network of a folder in its stored dtype, on the CPU. The head may have any size."""
    with seeded(0):
        module: nn.Module = network.from_pretrained(
            str(folder), dtype="auto", local_files_only=True, use_safetensors=True, ignore_mismatched_sizes=True
        )
    return module


def _dtype(options: TextOptions, request: LoadRequest) -> torch.dtype:
    """Return the dtype of everything that is not quantized, except the head.

    A decoder's head accepts input of any dtype. Frozen weights can therefore be stored in half precision, in which they
    are multiplied anyway. This is done beside quantized weights, and on a GPU to save memory.
    """
    if not options.causal:
        return torch.float32
    if request.weights is not None:
        return quantization.compute_dtype(request.weights, request.precision)
    half = request.additive and request.precision == "bf16" and request.device.startswith("cuda")
    return torch.bfloat16 if half else torch.float32


def heads_of(network: Any, config: Any) -> tuple[str, ...]:
    """Return the names of the head and its pooler, for a network that has not been built."""
    architecture = ARCHITECTURES.get(config.model_type)
    if architecture is not None:
        return (*architecture.heads, architecture.pooler) if architecture.pooler else architecture.heads
    with torch.device("meta"):
        return heads_in(network(config))


def heads_in(module: Any) -> tuple[str, ...]:
    """Return the names of the known head, else of all submodules with parameters outside the backbone."""
    if architecture := ARCHITECTURES.get(module.config.model_type):
        return architecture.heads
    children = module.named_children()
    return tuple(name for name, child in children if name != module.base_model_prefix and list(child.parameters()))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generator temporarily, and restore its state afterwards."""
    before = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(before)
