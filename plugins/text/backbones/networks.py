"""Networks of transformers: reading their weights, dtype, quantization and head."""

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
from plugins.text.backbones.head_type import HeadType
from plugins.text.backbones.pooling import LastToken
from plugins.text.options import TextOptions


def is_decoder(config: Any, network: type[Any] | None = None) -> bool:
    """Return whether a network has causal attention, so that each token sees only earlier ones.

    An unknown architecture counts as a decoder if transformers has a causal language model for it and no masked one.

    Args:
        config: A configuration of transformers.
        network: The class of the network, if it is known.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING as CAUSAL
    from transformers import MODEL_FOR_MASKED_LM_MAPPING as FILLING
    from transformers.modeling_layers import GenericForSequenceClassification

    if config.model_type in DECODERS:
        return True
    if network is not None and issubclass(network, GenericForSequenceClassification):
        return True
    return type(config) in CAUSAL and type(config) not in FILLING


def read(
    options: TextOptions, request: LoadRequest, folder: Path, config: Any, head: HeadType
) -> tuple[Any, Mapping[str, Any], Sequence[str]]:
    """Return the network, the loading report, and the names of layers that cannot be quantized.

    A head of another size is initialized anew. Heads are always float32.

    Raises:
        ValueError: It is a decoder whose head is not called `score`.
    """
    network, more, odd = head.network_of(config), dict[str, Any](), list[str]()
    if request.weights is not None:
        names = _heads_of(head, network, config)
        heads, odd = quantization.unquantized_layers(network, config, names, request.weights.bits)
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
    for name in head.heads_in(module):
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


def _heads_of(head: HeadType, network: Any, config: Any) -> tuple[str, ...]:
    """Return the names of the head and its pooler, for a network that has not been built."""
    architecture = head.architectures.get(config.model_type)
    if architecture is not None:
        return (*architecture.heads, architecture.pooler) if architecture.pooler else architecture.heads
    with torch.device("meta"):
        return head.heads_in(network(config))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generator temporarily, and restore its state afterwards."""
    before = torch.default_generator.get_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.default_generator.set_state(before)
