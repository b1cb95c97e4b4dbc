"""What tells one type of head from another: which classes of transformers have it, and how it is configured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from core.contracts import LoadRequest, Provenance
from plugins.text.backbones.encoders import Architecture
from plugins.text.quantization import StoredBase


@dataclass(frozen=True)
class HeadType:
    """A type of head that transformers puts on many backbones, such as that of sequence classification.

    Attributes:
        class_name: The part of the names of transformers' classes that tells it, such as `SequenceClassification`.
        architectures: What Graft knows about each architecture with this head, by the Hub's `model_type`.
        network_of: Returns the class of a network for a configuration of transformers.
            It raises ValueError if there is none.
        entries: Returns the entries of the configuration that describe the head.
        texts: Yields the texts of examples, from which a tokenizer is learned.
        lowercase: Whether a tokenizer that is learned from scratch ignores case.
    """

    class_name: str
    architectures: Mapping[str, Architecture]
    network_of: Callable[[Any], Any]
    entries: Callable[[LoadRequest], dict[str, Any]]
    texts: Callable[[Sequence[Any]], Iterator[str]]
    lowercase: bool = True

    def architecture(self, module: Any) -> Architecture | None:
        """Return what is known about the architecture of a network; None if it is unknown."""
        return self.architectures.get(module.config.model_type)

    def heads_in(self, module: Any) -> tuple[str, ...]:
        """Return the names of the known head, else of all submodules with parameters outside the backbone."""
        if architecture := self.architecture(module):
            return architecture.heads
        children = module.named_children()
        return tuple(name for name, child in children if name != module.base_model_prefix and list(child.parameters()))


@dataclass(frozen=True)
class Network:
    """A network of transformers with a new or a saved head, and what is known about it.

    Attributes:
        module: The network, on the device of the request.
        tokenizer: Its tokenizer.
        request: The load request.
        provenance: Where the base weights came from.
        heads: Names of the submodules that form the head.
        architecture: What is known about its architecture; None if it is unknown.
        adapter_targets: Name endings of the modules that an adapter may wrap.
        layers: Parameter names by depth; empty if unknown.
        unquantized: Names of the layers that could not be quantized.
        original: A copy on disk of quantized weights from scratch, or None.
        stored: The folder that the weights were read from; None for weights from scratch.
    """

    module: nn.Module
    tokenizer: Any
    request: LoadRequest
    provenance: Provenance
    heads: tuple[str, ...]
    architecture: Architecture | None
    adapter_targets: tuple[str, ...]
    layers: tuple[tuple[str, ...], ...]
    unquantized: tuple[str, ...] = ()
    original: StoredBase | None = None
    stored: Path | None = None
