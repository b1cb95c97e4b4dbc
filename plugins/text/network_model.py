"""A network of transformers with its tokenizer, for the training loop: what all types of heads share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from core.contracts import LoadedModel
from core.errors import ConfigError, Problem
from core.issues import DataIssue
from plugins.text import dropout, quantization
from plugins.text.backbones.head_type import Network
from plugins.text.quantization import is_quantized
from plugins.text.quiet_transformers import quiet

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""The inputs of a network that a batch can contain."""


class NetworkModel(LoadedModel):
    """A network of transformers with its tokenizer. The types of heads differ in batches, losses and predictions.

    Args:
        network: The network, and what is known about it.
        defaults: Options of `train` that suit it.
    """

    def __init__(self, network: Network, defaults: Mapping[str, float]) -> None:
        self.module = network.module
        self.tokenizer = network.tokenizer
        self.request = network.request
        self.provenance = network.provenance
        self.heads = network.heads
        self.adapter_targets = network.adapter_targets
        self.layers = network.layers
        self.original = network.original
        self.stored = network.stored
        self.defaults = defaults
        self.findings: list[DataIssue] = []
        if network.request.weights is not None:
            self.findings += quantization.unquantized_issue(network.unquantized)
            self.base_weights = quantization.memory_usage(network.module)

    @property
    def max_length(self) -> int:
        """The maximum number of tokens that the network reads at once."""
        return int(self.tokenizer.model_max_length)

    @property
    def pad_multiple(self) -> int:
        """The number of which padded lengths are a multiple: eight on a GPU."""
        return 8 if self.request.device.startswith("cuda") else 1

    def use_fast_dropout(self) -> None:
        """Generate dropout masks from packed integers, for training on a CPU."""
        dropout.use_fast_dropout(self.module)

    def parameter_elements(self, parameter: Tensor) -> int:
        """Return the number of weights in a parameter; a byte holds two 4-bit weights."""
        return quantization.elements(parameter)

    def parameter_bytes(self, parameter: Tensor) -> int:
        """Return the bytes of a parameter, including its quantization constants."""
        return quantization.stored_bytes(parameter)

    def coarsest_precision(self) -> str:
        """Return the coarsest precision of the weights, and of the products of quantized layers."""
        return quantization.coarsest_precision(self.module)

    def share_parameter(self, parameter: Tensor, data: Tensor) -> None:
        """Make a parameter, and all other references to its 8-bit weights, use another model's memory."""
        quantization.share(self.module, parameter, data)

    def enable_gradient_checkpointing(self) -> None:
        """Recompute each layer's activations in the backward pass.

        Raises:
            ConfigError: transformers does not support it for this network.
        """
        module: Any = self.module
        exact = {"use_reentrant": False}
        if not module.supports_gradient_checkpointing:
            message = f"transformers does not support gradient checkpointing for {type(module).__name__}."
            raise ConfigError(Problem("train.gradient_checkpointing", message, "Leave it out."))
        if hasattr(module, "activation_checkpointing_enable"):  # its name from 5.2x on
            module.activation_checkpointing_enable(activation_checkpointing_kwargs=exact)
        else:
            module.gradient_checkpointing_enable(gradient_checkpointing_kwargs=exact)

    def dequantized(self) -> nn.Module:
        """Return the network with its stored weights, not quantized; see `SupportsDequantizedLoad`."""
        from plugins.text.backbones.networks import unquantized

        assert self.stored is not None, "quantized weights are always loaded from a folder"
        with quiet():
            return unquantized(type(self.module), self.stored)

    def save(self, directory: Path) -> None:
        """Write weights (or the adapter, if peft wraps the module), configuration, labels and tokenizer."""
        directory.mkdir(parents=True, exist_ok=True)
        module: Any = self.module
        if self.original is not None and not hasattr(module, "peft_config") and is_quantized(module):
            # The weights in memory are quantized, and would be quantized again when opened.
            self.original.copy(directory)
            return
        self.describe_outputs(module.config)
        adapter = {"save_embedding_layers": False} if hasattr(module, "peft_config") else {}  # "auto" may ask the Hub
        with quiet():
            module.save_pretrained(str(directory), **adapter)
            self._forget_last_call()
            self.tokenizer.save_pretrained(str(directory))

    def _forget_last_call(self) -> None:
        """Remove the truncation and padding of the last call from a fast tokenizer.

        They would be saved in `tokenizer.json`, and readers other than transformers would shorten texts like that call.
        """
        fast = getattr(self.tokenizer, "backend_tokenizer", None)
        if fast is not None:
            fast.no_truncation()
            fast.no_padding()

    @abstractmethod
    def describe_outputs(self, config: Any) -> None:
        """Add to the configuration what is needed to interpret the outputs, such as thresholds, before it is saved."""


def inputs_of(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the inputs of the network in a batch."""
    return {name: batch[name] for name in INPUTS if name in batch}
