"""Multinomial naive Bayes: a model that fits itself, without Graft's training loop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from acme_graft import words
from core import LoadedModel, LoadRequest, Provenance
from core.data import DataIssue
from core.tasks import TextExample
from core.training import per_example_loss, to_predictions

if TYPE_CHECKING:
    from acme_graft.plugin import NaiveBayes

WEIGHTS, FACTS = "model.safetensors", "naive_bayes.json"


class NaiveBayesModel(LoadedModel):
    """Holds log probabilities of labels, [c], and of words given a label, [v, c]; those of padding are 0."""

    heads: tuple[str, ...] = ()
    adapter_targets: tuple[str, ...] = ()
    provenance = Provenance("scratch", "naive_bayes", "counts of words")
    defaults: dict[str, float] = {}

    def __init__(self, vocabulary: Sequence[str], smoothing: float, request: LoadRequest) -> None:
        self.module = nn.Module()  # nothing for the training loop to train
        self.vocabulary, self.smoothing, self.request = vocabulary, smoothing, request
        self.findings: list[DataIssue] = []
        self.prior = torch.zeros(request.output.width)
        self.table = torch.zeros(len(vocabulary) + 2, request.output.width)

    def fit(self, examples: Sequence[TextExample], weights: NDArray[np.float32] | None, seed: int) -> None:
        """Fit the model by counting; an example of weight 2 counts twice."""
        texts, c = self.prepare(examples, train=True), self.request.output.width
        assert texts.targets is not None
        weight = np.ones(len(texts)) if weights is None else weights.astype(np.float64)
        seen = np.full((len(self.table), c), self.smoothing)
        for ids, label, share in zip(texts.ids, texts.targets.astype(np.int64), weight, strict=True):
            np.add.at(seen[:, label], ids, share)
        table = np.log(seen / seen.sum(axis=0))
        table[words.PADDING] = 0.0
        shares = np.bincount(texts.targets.astype(np.int64), weight, minlength=c) + self.smoothing
        self.table = torch.from_numpy(table.astype(np.float32))
        self.prior = torch.from_numpy(np.log(shares / shares.sum()).astype(np.float32))

    def prepare(self, examples: Sequence[TextExample], train: bool) -> words.Texts:
        """Return texts as word numbers."""
        return words.Texts(examples, self.vocabulary, self.request.output)

    def collate(self, items: Sequence[words.Item]) -> dict[str, Tensor]:
        """Stack texts, padded to the longest."""
        return words.collate(items)

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each example, float32 [b], for evaluation only."""
        return per_example_loss(self._logits(batch["ids"]), batch["targets"], self.request.output)

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """Return probabilities, float32 [b, c]."""
        return to_predictions(self._logits(batch["ids"]), self.request.output)

    def _logits(self, ids: Tensor) -> Tensor:
        return self.prior.to(ids.device) + self.table.to(ids.device)[ids].sum(dim=1)

    def save(self, directory: Path) -> None:
        """Write the tables as safetensors, and words and labels as JSON."""
        directory.mkdir(parents=True, exist_ok=True)
        save_file({"prior": self.prior, "table": self.table}, directory / WEIGHTS)
        facts = {"labels": self.request.labels, "vocabulary": list(self.vocabulary)}
        (directory / FACTS).write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def load(options: NaiveBayes, request: LoadRequest) -> NaiveBayesModel:
    """Return a model that is not fitted yet, or the one saved in `request.saved`."""
    if request.saved is None:
        return NaiveBayesModel(words.learn(request.train, options.vocabulary), options.smoothing, request)
    vocabulary = json.loads((request.saved / FACTS).read_text(encoding="utf-8"))["vocabulary"]
    model, tables = NaiveBayesModel(vocabulary, options.smoothing, request), load_file(request.saved / WEIGHTS)
    model.prior, model.table = tables["prior"], tables["table"]
    return model
