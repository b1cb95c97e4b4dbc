"""A tagger: an embedding of each word, and a linear layer."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from core import LoadedModel, LoadRequest, Provenance
from core.runtime import unwrap
from tags_plugin.sentences import Sentence

WORDS = 64
"""Rows of the embedding; a word's row is a hash. Row 0 is padding."""
WEIGHTS = "model.safetensors"
NO_TAG = -100
"""In place of the tag of padding."""


class Network(nn.Module):
    """Logits [b, s, c] from word numbers [b, s]."""

    def __init__(self, width: int, n_labels: int) -> None:
        super().__init__()
        self.body = nn.Embedding(WORDS, width)
        self.head = nn.Linear(width, n_labels)

    def forward(self, words: Tensor) -> Tensor:
        """Return logits, float32 [b, s, c]."""
        logits: Tensor = self.head(self.body(words))
        return logits


class PreparedSentences:
    """Sentences, with their numbers of words."""

    def __init__(self, examples: Sequence[Sentence]) -> None:
        self._examples = list(examples)
        self.lengths = np.asarray([len(each.words) for each in self._examples], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._examples)

    def fetch(self, index: int, epoch: int, rng: Any) -> Sentence:
        """Return the sentence."""
        return self._examples[index]


class TaggerModel(LoadedModel):
    """The network, with its loss and its predictions."""

    heads = ("head",)
    adapter_targets = ()

    def __init__(self, width: int, request: LoadRequest) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(request.seed)
            self.module = Network(width, request.output.width)
        if request.saved is not None:
            self.module.load_state_dict(load_file(request.saved / WEIGHTS))
        self._labels = request.labels
        self.provenance = Provenance("scratch", "tagger", "there are no pretrained weights")
        self.defaults = {"epochs": 4, "learning_rate": 0.05}
        self.findings = []

    def prepare(self, examples: Sequence[Sentence], train: bool) -> PreparedSentences:
        """Return the sentences."""
        return PreparedSentences(examples)

    def collate(self, items: Sequence[Sentence]) -> dict[str, Tensor]:
        """Return word numbers and tags, int64 [b, s] each, and numbers of words, int64 [b]."""
        rows = [torch.tensor([1 + zlib.crc32(word.encode()) % (WORDS - 1) for word in each.words]) for each in items]
        batch = {
            "words": nn.utils.rnn.pad_sequence(rows, batch_first=True),
            "lengths": torch.tensor([len(row) for row in rows]),
        }
        if items[0].target is not None:
            tags = [torch.tensor(each.target) for each in items]
            batch["tags"] = nn.utils.rnn.pad_sequence(tags, batch_first=True, padding_value=NO_TAG)
        return batch

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the mean cross-entropy over the words of each sentence, float32 [b]."""
        logits = self.module(batch["words"]).float().transpose(1, 2)
        losses = functional.cross_entropy(logits, batch["tags"], reduction="none", ignore_index=NO_TAG)
        return losses.sum(dim=1) / batch["lengths"]

    def predict(self, batch: dict[str, Tensor]) -> list[Any]:
        """Return the most probable tag of each word: b arrays, int64 [s] without padding."""
        tags = self.module(batch["words"]).argmax(dim=-1).cpu()
        return [row[:length].numpy() for row, length in zip(tags, batch["lengths"].tolist(), strict=True)]

    def save(self, directory: Path) -> None:
        """Write the weights and the label names."""
        directory.mkdir(parents=True, exist_ok=True)
        save_file(unwrap(self.module).state_dict(), directory / WEIGHTS)
        (directory / "labels.json").write_text(json.dumps(self._labels), encoding="utf-8")
