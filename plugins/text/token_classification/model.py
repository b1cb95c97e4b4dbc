"""A text encoder with a head on each word, for the training loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from core.contracts import Provenance, epochs_for
from core.issues import DataIssue
from core.runtime import unwrap
from plugins.text.backbones.head_type import Network
from plugins.text.network_model import NetworkModel, inputs_of
from plugins.text.token_classification import windows
from plugins.text.token_classification.example import TokenExample
from plugins.text.token_classification.tag_set import TagSet

_PLACES = 5
_EXAMPLES_SEEN = 4400
_WINDOWS = 32
"""The network reads at least this many windows in one pass, and at least two per text of the batch."""


class TokenClassifierModel(NetworkModel):
    """A token classifier of any architecture. `FeaturedTokenClassifier` adds `features` where it is known.

    Args:
        network: The network, and what is known about it.
        overlap: Share of a window that the next window of a long text repeats.
        all_subwords: Whether all subwords of a word learn its tag, not only the first.
    """

    def __init__(self, network: Network, overlap: float, all_subwords: bool) -> None:
        width = int(getattr(network.module.config, "hidden_size", 768))
        super().__init__(network, _default_training(network.provenance, len(network.request.train), width))
        self._overlap, self._all = overlap, all_subwords
        self._tags = TagSet(network.request.labels)
        self._tokens_per_text = 1.0

    def prepare(self, examples: Sequence[TokenExample], train: bool) -> windows.WindowedTexts:
        """Tokenize a split into windows. Long texts, and words without a token, are counted in `findings`."""
        every = self._all and train
        prepared = windows.prepare(self.tokenizer, examples, self._overlap, self._tags, every)
        if train and len(prepared.rows):
            self._tokens_per_text = len(prepared.rows) / len(prepared)
        split = "training" if train else "evaluation"
        if prepared.long:
            message = (
                f"{prepared.long} of {len(examples)} {split} texts are longer than {self.max_length} tokens and are "
                "read in overlapping windows."
            )
            self.findings.append(DataIssue("windows", message, prepared.long, level="info"))
        if count := len(prepared.unread):
            message = (
                f"{count} of {len(examples)} {split} texts have words that the tokenizer drops; they get the tag of "
                "the token before them, and are not learned."
            )
            places = [examples[int(row)].place or f"example {row}" for row in prepared.unread[:_PLACES]]
            self.findings.append(DataIssue("words_without_token", message, count, tuple(places)))
        return prepared

    def collate(self, items: Sequence[windows.WindowedText]) -> dict[str, Tensor]:
        """Stack the windows of texts, padded to the longest, on a GPU to a multiple of eight."""
        return windows.collate(items, int(self.tokenizer.pad_token_id), self.pad_multiple)

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each text, float32 [b]: the sum over its tokens, divided by the mean number of tokens.

        So each token has the same weight, in short and in long texts.
        """
        return self.head_loss(self._logits(batch), batch)

    def predict(self, batch: dict[str, Tensor]) -> list[Any]:
        """Return the probabilities of the tags of each word: b arrays, float32 [w, c]."""
        return self.head_predict(self._logits(batch), batch)

    def _logits(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the logits of the scored tokens of all texts, [k, c]."""

        def of_windows(some: dict[str, Tensor]) -> Tensor:
            logits: Tensor = self.module(**some).logits
            return logits

        return self._of_tokens(of_windows, batch)

    def _of_tokens(self, network: Any, batch: dict[str, Tensor]) -> Tensor:
        """Return what a function of windows ([b, s, ...] from inputs) gives for the scored tokens, [k, ...].

        Long texts can have so many windows that one pass over all of them would not fit into memory. The network then
        reads them in chunks, and recomputes each chunk in the backward pass.
        """
        inputs, rows, columns = inputs_of(batch), batch["rows"], batch["columns"]
        count, size = len(inputs["input_ids"]), max(_WINDOWS, 2 * len(batch["lengths"]))
        # Several passes per step would confuse the wrapper that averages gradients over processes.
        if count <= size or unwrap(self.module) is not self.module:
            found: Tensor = network(inputs)[rows, columns]
            return found
        chunks = [{name: each[at : at + size] for name, each in inputs.items()} for at in range(0, count, size)]
        if torch.is_grad_enabled():
            return torch.cat([checkpoint(network, each, use_reentrant=False) for each in chunks])[rows, columns]
        return torch.cat([network(each) for each in chunks])[rows, columns]

    def head_loss(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each text, float32 [b], from the logits of its tokens, [k, c]."""
        request, lengths = self.request, batch["lengths"]
        weights = None if request.class_weights is None else logits.new_tensor(request.class_weights).float()
        losses = functional.cross_entropy(
            logits.float(),
            batch["targets"],
            weight=weights,
            ignore_index=windows.IGNORED,
            reduction="none",
            label_smoothing=request.label_smoothing,
        )
        texts = torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths, output_size=len(logits))
        sums = losses.new_zeros(len(lengths)).index_add(0, texts, losses)
        return sums / self._tokens_per_text

    def head_predict(self, logits: Tensor, batch: dict[str, Tensor]) -> list[Any]:
        """Return the probabilities of each text, float32 [w, c], from the logits of its words, [k, c]."""
        probabilities = logits.detach().float().softmax(dim=-1).cpu()
        return [each.numpy() for each in torch.split(probabilities, batch["lengths"].tolist())]

    def describe_outputs(self, config: Any) -> None:
        """Add nothing: `id2label` has the tags."""


class FeaturedTokenClassifier(TokenClassifierModel):
    """A token classifier whose backbone and head can run separately; see `core.SupportsFeatures`."""

    def __init__(self, network: Network, overlap: float, all_subwords: bool) -> None:
        super().__init__(network, overlap, all_subwords)
        assert network.architecture is not None
        self.architecture = network.architecture

    def features(self, batch: dict[str, Tensor]) -> list[Tensor]:
        """Return the hidden states of the scored tokens of each text: b tensors [k, d]."""
        hidden = self._of_tokens(lambda inputs: self.architecture.features(self.module, inputs), batch)
        return list(torch.split(hidden, batch["lengths"].tolist()))

    def head(self, features: Tensor) -> Tensor:
        """Return logits [k, c] from the hidden states of tokens, [k, d]."""
        return self.architecture.head(self.module, features)


def _default_training(provenance: Provenance, examples: int, width: int) -> Mapping[str, float]:
    """Return epochs and learning rate that suit the weights, the number of training texts and the network's width.

    Small data sets need more epochs. The rates for 768 units and more are usual for BERT and RoBERTa (Devlin et al.
    2019, section A.3). Narrower networks learn as well with a larger one; MiniLM reaches its best F1 in fewer epochs.
    """
    if provenance.init == "scratch":
        return {"epochs": 15.0, "learning_rate": 1e-3}
    rate = 3e-4 if width < 512 else 5e-5 if width < 1024 else 2e-5
    return {"epochs": epochs_for(_EXAMPLES_SEEN, examples, 3, 12), "learning_rate": rate}
