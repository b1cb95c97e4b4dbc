"""transformers' networks: their class, dtype, quantization, and which part is the head."""

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
"""All that Graft has notes on, by the Hub's `model_type`."""


def network_of(config: Any) -> Any:
    """Return the sequence-classification class for a configuration; for a decoder, with Graft's pooling.

    Raises:
        ValueError: transformers has none.
    """
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING as CLASSES

    if type(config) not in CLASSES:
        raise ValueError(f"transformers has no sequence classifier for the architecture {config.model_type!r}")
    network = CLASSES[type(config)]
    return classifier(network) if _is_decoder(network, config) else network


def _is_decoder(network: type[Any], config: Any) -> bool:
    """Return whether the last token feeds the head: known decoders, and networks with causal attention only.

    Of those without notes: transformers has a causal language model, and none that fills gaps.
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

    A head of another size is made anew. Heads are float32 whatever the rest is.

    Raises:
        ValueError: It is a decoder with another kind of head.
    """
    network, more, odd = network_of(config), dict[str, Any](), list[str]()
    if request.weights is not None:
        heads, odd = quantization.kept_apart(network, config, heads_of(network, config), request.weights.bits)
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
        raise ValueError(f"{type(module).__name__} has no head by the name of score")
    for name in heads_in(module):
        module.get_submodule(name).float()
    if request.weights is not None:
        quantization.settle(module, quantization.compute_dtype(request.weights, request.precision))
    return module, info, odd


def unquantized(network: Any, folder: Path) -> nn.Module:
    """Load the network of a folder in its stored dtype, on the CPU. Its head may be any."""
    with seeded(0):
        module: nn.Module = network.from_pretrained(
            str(folder), dtype="auto", local_files_only=True, use_safetensors=True, ignore_mismatched_sizes=True
        )
    return module


def _dtype(options: TextOptions, request: LoadRequest) -> torch.dtype:
    """Return the dtype of everything that is not quantized, except the head.

    Decoders take their head's input in any dtype; so what does not train may lie in half precision, which is what it is
    multiplied in anyway: always beside quantized weights, else on a GPU, whose memory is short.
    """
    if not options.causal:
        return torch.float32
    if request.weights is not None:
        return quantization.compute_dtype(request.weights, request.precision)
    half = request.additive and request.precision == "bf16" and request.device.startswith("cuda")
    return torch.bfloat16 if half else torch.float32


def heads_of(network: Any, config: Any) -> tuple[str, ...]:
    """Return the head, and its pooler, of a network that has not been built."""
    architecture = ARCHITECTURES.get(config.model_type)
    if architecture is not None:
        return (*architecture.heads, architecture.pooler) if architecture.pooler else architecture.heads
    with torch.device("meta"):
        return heads_in(network(config))


def heads_in(module: Any) -> tuple[str, ...]:
    """Return the known head, or else all submodules with parameters outside the backbone."""
    if architecture := ARCHITECTURES.get(module.config.model_type):
        return architecture.heads
    children = module.named_children()
    return tuple(name for name, child in children if name != module.base_model_prefix and list(child.parameters()))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initialize from a seed. The global generator continues as if nothing had happened."""
    before = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(before)
