"""A text encoder with a head on each word, for the training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
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
from plugins.text.token_classification.word_tokens import shared

_PLACES = 5
_UNREAD = "words that the tokenizer drops; they get the tag of the token before them, and are not learned."
_CUT = "spans that begin or end within a token; a token has one tag, which is that of its first word."
_EXAMPLES_SEEN = 3700
_WINDOWS = 2
"""The network reads this many windows per text of the batch in one pass."""


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
        for code, rows, what in (
            ("words_without_token", prepared.unread, _UNREAD),
            ("spans_within_tokens", prepared.cut, _CUT),
        ):
            if count := len(rows):
                places = [examples[int(row)].place or f"example {row}" for row in rows[:_PLACES]]
                message = f"{count} of {len(examples)} {split} texts have {what}"
                self.findings.append(DataIssue(code, message, count, tuple(places)))
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
        # Without gradients, nothing has to be averaged over processes, so the wrapper that does it is left out.
        module = self.module if torch.is_grad_enabled() else unwrap(self.module)

        def logits(inputs: dict[str, Tensor]) -> Tensor:
            found: Tensor = module(**inputs).logits
            return found

        return self._at_tokens(logits, batch, whole=module is not unwrap(module))

    def _at_tokens(
        self, network: Callable[[dict[str, Tensor]], Tensor], batch: dict[str, Tensor], whole: bool = False
    ) -> Tensor:
        """Return what a network gives for the scored tokens, [k, ...].

        Long texts can have so many windows that one pass over all of them would not fit into memory. The network then
        reads them in chunks, and recomputes each chunk in the backward pass. Half the texts need half the memory.

        Args:
            network: Maps the inputs of windows to [windows, s, ...].
            batch: The batch.
            whole: Whether to read all windows in one pass, because several would confuse a wrapper of the network that
                averages gradients over processes.
        """
        inputs, rows, columns = inputs_of(batch), batch["rows"], batch["columns"]
        count, size = len(inputs["input_ids"]), _WINDOWS * len(batch["lengths"])
        if whole or count <= size:
            return network(inputs)[rows, columns]

        def chunk(some: dict[str, Tensor], row: Tensor, column: Tensor) -> Tensor:
            return network(some)[row, column]

        order = torch.argsort(rows // size, stable=True)
        numbers = torch.bincount(rows // size, minlength=-(-count // size)).tolist()
        parts = []
        for start, chosen in zip(range(0, count, size), torch.split(order, numbers), strict=True):
            some = {name: each[start : start + size] for name, each in inputs.items()}
            given = (some, rows[chosen] - start, columns[chosen])
            parts.append(checkpoint(chunk, *given, use_reentrant=False) if torch.is_grad_enabled() else chunk(*given))
        return torch.cat(parts)[torch.argsort(order)]

    def head_loss(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each text, float32 [b], from the logits of its tokens, [k, c]."""
        request, lengths = self.request, batch["lengths"]
        logits = logits.float()
        losses = functional.cross_entropy(
            logits,
            batch["targets"],
            weight=None if request.class_weights is None else logits.new_tensor(request.class_weights),
            ignore_index=windows.IGNORED,
            reduction="none",
            label_smoothing=request.label_smoothing,
        )
        texts = torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths, output_size=len(logits))
        sums = losses.new_zeros(len(lengths)).index_add(0, texts, losses)
        return sums / self._tokens_per_text

    def head_predict(self, logits: Tensor, batch: dict[str, Tensor]) -> list[Any]:
        """Return the probabilities of each text, float32 [w, c], from the logits of its words, [k, c].

        A word that shares the token of the word before it continues that word's span: the probabilities of `B-x` and
        `I-x` change places where `B-x` is the most probable tag.
        """
        lengths = batch["lengths"].tolist()
        probabilities = logits.detach().float().softmax(dim=-1).cpu().numpy()
        for word in np.flatnonzero(_shared(batch, lengths)):
            begin = int(probabilities[word].argmax())
            inside = self._tags.continued(begin)
            probabilities[word, [begin, inside]] = probabilities[word, [inside, begin]]
        return np.split(probabilities, np.cumsum(lengths)[:-1])

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
        hidden = self._at_tokens(lambda inputs: self.architecture.features(self.module, inputs), batch)
        return list(torch.split(hidden, batch["lengths"].tolist()))

    def head(self, features: Tensor) -> Tensor:
        """Return logits [k, c] from the hidden states of tokens, [k, d]."""
        return self.architecture.head(self.module, features)


def _shared(batch: dict[str, Tensor], lengths: Sequence[int]) -> NDArray[np.bool_]:
    """Return whether each word has the token of the word before it, bool [k]; see `word_tokens.shared`."""
    if "rows" in batch:
        return shared(batch["rows"].cpu().numpy(), batch["columns"].cpu().numpy(), lengths)
    same = np.zeros(len(batch["features"]), dtype=bool)  # cached features of one token are equal
    same[1:] = (batch["features"][1:] == batch["features"][:-1]).all(dim=-1).cpu().numpy()
    starts = np.cumsum([0, *lengths])[:-1]
    same[starts[starts < len(same)]] = False
    return same


def _default_training(provenance: Provenance, examples: int, width: int) -> Mapping[str, float]:
    """Return epochs and learning rate that suit the weights, the number of training texts and the network's width.

    Small data sets need more epochs. The rates for 768 units and more are usual for BERT and RoBERTa (Devlin et al.
    2019, section A.3). Narrower networks learn as well with a larger one; MiniLM reaches its best F1 in fewer epochs.
    """
    if provenance.init == "scratch":
        return {"epochs": 15.0, "learning_rate": 1e-3}
    rate = 3e-4 if width < 512 else 5e-5 if width < 1024 else 2e-5
    return {"epochs": epochs_for(_EXAMPLES_SEEN, examples, 3, 10), "learning_rate": rate}
