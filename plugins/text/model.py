"""A text encoder or decoder with a classification head, for the training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from core.contracts import Provenance
from core.errors import ConfigError, Problem
from core.issues import DataIssue
from core.tasks import TextExample
from core.training import per_example_loss, to_predictions
from plugins.text import tokenization
from plugins.text.backbones.head_type import Network
from plugins.text.backbones.pooling import LastToken
from plugins.text.network_model import NetworkModel, inputs_of
from plugins.text.target_scaling import Scale, is_scaled, scale_of

_PLACES = 5
_SHORTEST = 8
"""Minimum number of text tokens beside virtual tokens; also the lower limit of `model.max_length`."""
_EXAMPLES_SEEN = 6400


class TextClassifierModel(NetworkModel):
    """A text classifier of any architecture. `FeaturedEncoder` adds `features` where the architecture is known."""

    def __init__(self, network: Network) -> None:
        request, decoder = network.request, isinstance(network.module, LastToken)
        super().__init__(network, default_training(network.provenance, len(request.train), decoder))
        fresh = is_scaled(request.output) and request.saved is None
        self.scale = scale_of(request.train) if fresh else Scale()
        self.final = network.architecture.final if network.architecture else _last_linear(network)
        self.known = {"padded_right": True} if decoder else {}
        if request.saved is not None:  # otherwise the base's thresholds belong to another task
            config: Any = network.module.config
            self.thresholds = request.output.read_thresholds(getattr(config, "thresholds", None))
        self._segments = "token_type_ids" in network.tokenizer.model_input_names

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
        segments = self._segments and any(item.second < len(item.ids) for item in items)
        return tokenization.collate(items, int(self.tokenizer.pad_token_id), segments, self.pad_multiple)

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each example, float32 [b]. Regression values are standardized first."""
        return self.head_loss(self._logits(batch), batch)

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """Return predictions as the target type defines them, such as probabilities, float32 [b, c]."""
        return self.head_predict(self._logits(batch), batch)

    def _logits(self, batch: dict[str, Tensor]) -> Tensor:
        logits: Tensor = self.module(**inputs_of(batch), **self.known).logits
        return logits

    def head_loss(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each example from logits [b, c], float32 [b]."""
        request, targets = self.request, batch["targets"]
        if is_scaled(request.output):
            targets = self.scale.standardize(targets)
        return per_example_loss(logits, targets, request.output, request.class_weights, request.label_smoothing)

    def head_predict(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
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

    def save(self, directory: Path) -> None:
        """Write weights (or the adapter, if peft wraps the module), configuration, labels and tokenizer."""
        with self.scale.folded_into(self.module, self.final):
            super().save(directory)

    @property
    def offset(self) -> float | None:
        """The constant that a decoder's head adds to each value; None if there is none, or transformers saves it."""
        module: Any = self.module
        module = module.get_base_model() if hasattr(module, "get_base_model") else module
        head: Any = getattr(module, "score", None)
        return None if getattr(head, "bias", None) is None else float(head.bias.detach())

    def describe_outputs(self, config: Any) -> None:
        """Add the thresholds, and the constant of a decoder's head."""
        vars(config).pop("thresholds", None)
        if self.thresholds is not None:
            config.thresholds = self.request.output.name_thresholds(self.thresholds)
        if self.offset is not None:  # transformers' decoders have no such parameter, so the saved module cannot hold it
            config.value_offset = self.offset


class FeaturedEncoder(TextClassifierModel):
    """An encoder whose backbone and head can run separately; see `core.SupportsFeatures`."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        assert network.architecture is not None
        self.architecture = network.architecture

    def features(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the input of the head: [b, d], or [b, 1, d] for RoBERTa."""
        module: Any = self.module
        return self.architecture.features(module, inputs_of(batch))

    def head(self, features: Tensor) -> Tensor:
        """Return logits [b, c] from features."""
        return self.architecture.head(self.module, features)


def _positions(module: Any) -> int:
    """Return the maximum number of positions. RoBERTa's start after the padding token's id."""
    tables = [layer for name, layer in module.named_modules() if name.endswith("position_embeddings")]
    skipped = [layer.padding_idx + 1 for layer in tables if getattr(layer, "padding_idx", None) is not None]
    return int(module.config.max_position_embeddings) - max(skipped, default=0)


def _last_linear(network: Network) -> str:
    """Return the name of the last linear layer of the head."""
    named = network.module.named_modules()
    names: list[str] = [name for name, layer in named if isinstance(layer, nn.Linear)]
    return [name for name in names if name.startswith(network.heads)][-1]


def default_training(provenance: Provenance, examples: int, decoder: bool) -> Mapping[str, float]:
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
