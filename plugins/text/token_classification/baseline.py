"""A simple baseline: each word gets the tag that it has most often in the training split."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.contracts import LoadRequest
from core.tasks import objects
from plugins.text.token_classification.example import TokenExample

if TYPE_CHECKING:
    from core.tasks import Predictions


def most_frequent_tags(request: LoadRequest, examples: Sequence[TokenExample]) -> Predictions:
    """Return for each word its shares of tags in the training split; for a new word, those of all words.

    Returns:
        Object [n], one float32 [w, c] per example, of which the decided tag is the most frequent one.
    """
    width = len(request.labels)
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for row in range(len(request.train)):
        example = request.train[row]
        for word, tag in zip(example.surfaces, example.target, strict=True):
            counts[word][tag] += 1
    total = Counter[int]()
    for each in counts.values():
        total += each
    shares = {word: _shares(each, width) for word, each in counts.items()}
    other = _shares(total, width)
    return objects(
        np.stack([shares.get(word, other) for word in surfaces]) if surfaces else np.zeros((0, width), np.float32)
        for surfaces in (examples[row].surfaces for row in range(len(examples)))
    )


def _shares(counts: Counter[int], width: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Return the share of each tag, float32 [c]."""
    found = np.zeros(width, dtype=np.float32)
    for tag, count in counts.items():
        found[tag] = count
    return found / max(1.0, float(found.sum()))
