"""Vocabulary and tokenization, which both models share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from core import OutputSpec
from core.tasks import TextExample

PADDING, UNKNOWN = 0, 1
_WORD = re.compile(r"\w+|[!?]")


def words(example: TextExample) -> list[str]:
    """Return the words of a text, or of a pair of texts, in lower case."""
    return _WORD.findall(f"{example.text} {example.pair or ''}".lower())


def learn(examples: Iterable[TextExample], size: int) -> list[str]:
    """Return the most frequent words; equally frequent ones in alphabetical order."""
    counts = Counter(word for example in examples for word in words(example))
    return sorted(counts, key=lambda word: (-counts[word], word))[:size]


class Item(NamedTuple):
    """One text: its word numbers, int64 [s], and its target or None."""

    ids: NDArray[np.int64]
    target: Any


class Texts:
    """A split as word numbers; a `core.PreparedDataset`.

    Args:
        examples: The split.
        vocabulary: The known words; their numbers start at 2.
        output: The task's output.
    """

    def __init__(self, examples: Sequence[TextExample], vocabulary: Sequence[str], output: OutputSpec) -> None:
        number = {word: index for index, word in enumerate(vocabulary, start=2)}
        self.ids = [
            np.asarray([number.get(word, UNKNOWN) for word in words(example)] or [UNKNOWN], dtype=np.int64)
            for example in examples
        ]
        self.lengths = np.asarray([len(ids) for ids in self.ids], dtype=np.int64)
        known = [example.target for example in examples]
        self.targets = None if None in known else output.stack(known)

    def __len__(self) -> int:
        return len(self.ids)

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> Item:
        """Return one text; it is the same in every epoch, so `rng` is not used."""
        return Item(self.ids[index], None if self.targets is None else self.targets[index])


def collate(items: Sequence[Item]) -> dict[str, Tensor]:
    """Return texts padded with zeros to the longest: `ids`, int64 [b, s], and `targets`, if known."""
    batch = {"ids": pad_sequence([torch.from_numpy(item.ids) for item in items], batch_first=True)}
    if items[0].target is not None:
        batch["targets"] = torch.from_numpy(np.stack([item.target for item in items]))
    return batch
