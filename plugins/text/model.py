"""A text encoder or decoder with a classification head, for the training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from core.contracts import LoadedModel, LoadRequest, Provenance
from core.errors import ConfigError, Problem
from core.issues import DataIssue
from core.tasks import TextExample
from core.training import per_example_loss, to_predictions
from plugins.text import dropout, quantization, tokenization
from plugins.text.backbones.encoders import Architecture
from plugins.text.backbones.pooling import LastToken
from plugins.text.quantization import StoredBase, is_quantized
from plugins.text.quiet_transformers import quiet
from plugins.text.target_scaling import Scale, is_scaled

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_PLACES = 5
_SHORTEST = 8
"""Minimum number of text tokens beside virtual tokens; also the lower limit of `model.max_length`."""


class TextClassifierModel(LoadedModel):
    """A text classifier of any architecture. `FeaturedEncoder` adds `features` where the architecture is known.

    Args:
        module: A sequence-classification network of transformers.
        tokenizer: Its tokenizer.
        request: The load request.
        provenance: Where the base weights came from.
        heads: Names of the submodules that form the head.
        final: Name of the last linear layer of the head.
        adapter_targets: Name endings of the modules that an adapter may wrap.
        layers: Parameter names by depth; empty if unknown.
        defaults: Options of `train` that suit this model.
        scale: Scale of the regression targets.
    """

    def __init__(
        self,
        module: nn.Module,
        tokenizer: Any,
        request: LoadRequest,
        provenance: Provenance,
        heads: tuple[str, ...],
        final: str,
        adapter_targets: tuple[str, ...],
        layers: tuple[tuple[str, ...], ...],
        defaults: Mapping[str, float],
        scale: Scale,
    ) -> None:
        self.module = module
        self.tokenizer = tokenizer
        self.request = request
        self.provenance = provenance
        self.heads = heads
        self.final = final
        self.adapter_targets = adapter_targets
        self.layers = layers
        self.defaults = defaults
        self.scale = scale
        self.findings: list[DataIssue] = []
        self.original: StoredBase | None = None
        self.stored: Path | None = None
        self.known = {"padded_right": True} if isinstance(module, LastToken) else {}
        if request.saved is not None:  # otherwise the base's thresholds belong to another task
            self.thresholds = request.output.read_thresholds(getattr(module.config, "thresholds", None))
        self._segments = "token_type_ids" in tokenizer.model_input_names

    @property
    def max_length(self) -> int:
        """The maximum number of tokens per text."""
        return int(self.tokenizer.model_max_length)

    def prepare(self, examples: Sequence[TextExample], train: bool) -> tokenization.TokenizedTexts:
        """Tokenize a split. Truncated texts are counted in `findings` under the code `truncated`."""
        request = self.request
        prepared = tokenization.prepare(self.tokenizer, examples, self.max_length, request.fingerprint, request.output)
        if count := len(prepared.truncated):
            split = "training" if train else "evaluation"
            message = (
                f"{count} of {len(examples)} {split} texts are longer than {self.max_length} tokens and were "
                f"truncated; raise model.max_length to read more."
            )
            places = [examples[int(row)].place or f"example {row}" for row in prepared.truncated[:_PLACES]]
            self.findings.append(DataIssue("truncated", message, count, tuple(places)))
        return prepared

    def collate(self, items: Sequence[tokenization.TokenIds]) -> dict[str, Tensor]:
        """Stack examples, padded to the longest, on a GPU to a multiple of eight."""
        multiple = 8 if self.request.device.startswith("cuda") else 1
        segments = self._segments and any(item.second < len(item.ids) for item in items)
        return tokenization.collate(items, int(self.tokenizer.pad_token_id), segments, multiple)

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each example, float32 [b]. Regression values are standardized first."""
        return self.head_loss(self._logits(batch), batch)

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """Return predictions as the target type defines them, such as probabilities, float32 [b, c]."""
        return self.head_predict(self._logits(batch))

    def _logits(self, batch: dict[str, Tensor]) -> Tensor:
        logits: Tensor = self.module(**_inputs(batch), **self.known).logits
        return logits

    def head_loss(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each example from logits [b, c], float32 [b]."""
        request, targets = self.request, batch["targets"]
        if is_scaled(request.output):
            targets = self.scale.standardize(targets)
        return per_example_loss(logits, targets, request.output, request.class_weights, request.label_smoothing)

    def head_predict(self, logits: Tensor) -> Tensor:
        """Return predictions from logits [b, c]."""
        predictions = to_predictions(logits, self.request.output)
        return self.scale.restore(predictions) if is_scaled(self.request.output) else predictions

    def reserve(self, places: int) -> None:
        """Shorten the maximum text length to make room for virtual tokens.

        Raises:
            ConfigError: No room is left for texts.
        """
        room = _positions(self.module) - places
        if room < _SHORTEST:
            message = f"{places} virtual tokens leave no room for texts: the model reads {room + places} in all."
            raise ConfigError(Problem("method.tokens", message, "Use fewer."))
        if self.max_length > room:
            self.tokenizer.model_max_length = room

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
        with self.scale.folded_into(self.module, self.final):
            self._write(directory)

    @property
    def offset(self) -> float | None:
        """The constant that a decoder's head adds to each value; None if there is none, or transformers saves it."""
        module: Any = self.module
        module = module.get_base_model() if hasattr(module, "get_base_model") else module
        head: Any = getattr(module, "score", None)
        return None if getattr(head, "bias", None) is None else float(head.bias.detach())

    def _write(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        module: Any = self.module
        if self.original is not None and not hasattr(module, "peft_config") and is_quantized(module):
            self.original.copy(
                directory
            )  # the weights in memory are quantized, and would be quantized again when opened
            return
        vars(module.config).pop("thresholds", None)
        if self.thresholds is not None:
            module.config.thresholds = self.request.output.name_thresholds(self.thresholds)
        if self.offset is not None:  # transformers' decoders have no such parameter, so the saved module cannot hold it
            module.config.value_offset = self.offset
        adapter = {"save_embedding_layers": False} if hasattr(module, "peft_config") else {}  # "auto" may ask the Hub
        with quiet():
            module.save_pretrained(str(directory), **adapter)
            self.tokenizer.save_pretrained(str(directory))


class FeaturedEncoder(TextClassifierModel):
    """An encoder whose backbone and head can run separately; see `core.SupportsFeatures`."""

    architecture: Architecture

    def features(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the input of the head: [b, d], or [b, 1, d] for RoBERTa."""
        module: Any = self.module
        return self.architecture.features(module, _inputs(batch))

    def head(self, features: Tensor) -> Tensor:
        """Return logits [b, c] from features."""
        return self.architecture.head(self.module, features)


def _positions(module: Any) -> int:
    """Return the maximum number of positions. RoBERTa's start after the padding token's id."""
    tables = [layer for name, layer in module.named_modules() if name.endswith("position_embeddings")]
    skipped = [layer.padding_idx + 1 for layer in tables if getattr(layer, "padding_idx", None) is not None]
    return int(module.config.max_position_embeddings) - max(skipped, default=0)


def _inputs(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: batch[name] for name in _INPUTS if name in batch}
