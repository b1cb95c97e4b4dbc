"""A bag of words as a network, with everything that Graft's training loop needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from acme_graft import words
from core import LoadedModel, LoadRequest, Provenance
from core.data import DataIssue
from core.tasks import TextExample
from core.training import per_example_loss, to_predictions

if TYPE_CHECKING:
    from acme_graft.plugin import Bag

WEIGHTS, FACTS = "model.safetensors", "bag.json"


class Network(nn.Module):
    """The mean of word vectors, a hidden layer and a head."""

    def __init__(self, vocabulary: int, width: int, outputs: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary + 2, width, padding_idx=words.PADDING)
        self.hidden = nn.Linear(width, width)
        self.head = nn.Linear(width, outputs)

    def forward(self, ids: Tensor) -> Tensor:
        """Return logits [b, c] from word numbers [b, s]; padding is ignored."""
        there = (ids != words.PADDING).unsqueeze(-1)  # [b, s, 1]
        mean = (self.embedding(ids) * there).sum(dim=1) / there.sum(dim=1)  # [b, d]
        logits: Tensor = self.head(torch.relu(self.hidden(mean)))
        return logits


class BagModel(LoadedModel):
    """The network with its vocabulary and the task."""

    heads = ("head",)
    adapter_targets = ("hidden",)
    provenance = Provenance("scratch", "bag", "random weights")
    defaults = {"epochs": 30.0, "learning_rate": 1e-2}

    def __init__(self, module: Network, vocabulary: Sequence[str], request: LoadRequest) -> None:
        self.module = module.to(request.device)
        self.vocabulary, self.request = vocabulary, request
        self.findings: list[DataIssue] = []

    def prepare(self, examples: Sequence[TextExample], train: bool) -> words.Texts:
        """Return texts as word numbers."""
        return words.Texts(examples, self.vocabulary, self.request.output)

    def collate(self, items: Sequence[words.Item]) -> dict[str, Tensor]:
        """Stack texts, padded to the longest."""
        return words.collate(items)

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each example, float32 [b]."""
        request = self.request
        logits = self.module(batch["ids"])
        return per_example_loss(
            logits, batch["targets"], request.output, request.class_weights, request.label_smoothing
        )

    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """Return probabilities, float32 [b, c]."""
        return to_predictions(self.module(batch["ids"]), self.request.output)

    def save(self, directory: Path) -> None:
        """Write weights as safetensors, and words and labels as JSON."""
        directory.mkdir(parents=True, exist_ok=True)
        save_file(self.module.state_dict(), directory / WEIGHTS)
        facts = {"labels": self.request.labels, "vocabulary": list(self.vocabulary)}
        (directory / FACTS).write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def load(options: Bag, request: LoadRequest) -> BagModel:
    """Return a new network with the words of the training texts, or the one saved in `request.saved`."""
    if request.saved is not None:
        weights = load_file(request.saved / WEIGHTS)
        vocabulary = json.loads((request.saved / FACTS).read_text(encoding="utf-8"))["vocabulary"]
        network = Network(len(vocabulary), weights["hidden.weight"].shape[0], request.output.width)
        network.load_state_dict(weights)
        return BagModel(network, vocabulary, request)
    vocabulary = words.learn(request.train, options.vocabulary)
    with torch.random.fork_rng(devices=[]):  # the seed sets the weights without changing the global generator
        torch.manual_seed(request.seed)
        return BagModel(Network(len(vocabulary), options.width, request.output.width), vocabulary, request)
