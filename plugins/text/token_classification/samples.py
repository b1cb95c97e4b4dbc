"""Synthetic tags, and the predictions of an imperfect and of a perfect model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.tasks import Predictions, Targets, objects
from plugins.text.token_classification.tag_set import TagSet

EMPTY = 13
"""One text in so many has no words."""


def sample_tags(count: int, labels: Sequence[str]) -> list[tuple[int, ...]]:
    """Return the tags of texts of different lengths, with spans of one to three words, some side by side.

    Every type of span is among the first texts; some texts have no span, and some no word.
    """
    tags = TagSet(labels)
    found = []
    for row in range(count):
        label, other = (tags.types[each % len(tags.types)] for each in (row, row + 1))
        outside = tags.begin(other) if tags.outside is None else tags.outside
        words = [outside] * (row % 3) + [tags.begin(label)] + [tags.inside(label)] * (1 + row % 2)
        if row % 4 == 1:
            words += [tags.begin(label), outside, tags.begin(other)]
        if row % EMPTY == EMPTY - 1:
            words = []
        elif row % EMPTY == EMPTY - 2:
            words = [outside] * (1 + row % 3)
        found.append(tuple(words))
    return found


def perfect_predictions(targets: Targets, labels: Sequence[str]) -> Predictions:
    """Return a probability of 1 for the tag of each word."""
    one = np.eye(len(labels), dtype=np.float32)
    return objects(one[list(target)].reshape(-1, len(labels)) for target in targets)


def imperfect_predictions(targets: Targets, labels: Sequence[str], seed: int) -> Predictions:
    """Return random probabilities, in which the tag of a word is often but not always the most probable one."""
    rng = np.random.default_rng(seed)
    found = []
    for target in targets:
        logits = rng.normal(size=(len(target), len(labels)))
        logits[np.arange(len(target)), list(target)] += 2.0
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        found.append((odds / odds.sum(axis=1, keepdims=True)).astype(np.float32))
    return objects(found)
