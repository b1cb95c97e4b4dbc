"""Synthetic texts and tags, the predictions of an imperfect and of a perfect model, and what predictions cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.tasks import Predictions, Targets, objects
from plugins.text.token_classification.example import TokenExample, joined
from plugins.text.token_classification.tag_set import TagSet

EMPTY = 13
"""One text in so many has no words."""
_OUTSIDE = ("the", "machine", "was", "here", "when", "we", "came", "back", "from", "town")
_INSIDE = ("storm", "meadow", "garden", "thunder", "valley", "rocket")


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


def sample_texts(targets: Sequence[Sequence[int]], labels: Sequence[str]) -> list[TokenExample]:
    """Return a text for each target. Some words are so long that they have many subwords, and their texts windows."""
    tags = TagSet(labels)
    found = []
    for row, target in enumerate(targets):
        words = [_word(tags.type_of[tag], row + at) for at, tag in enumerate(target)]
        if row % 3 == 1:
            words = [f"{word}{7919 * (row + at + 1) ** 3}" for at, word in enumerate(words)]
        example = joined(words, f"sample:{row + 1}")
        found.append(replace(example, target=tuple(target)))
    return found


def _word(label: int, number: int) -> str:
    """Return a word of a type of entity, or one outside of entities."""
    if label < 0:
        return _OUTSIDE[number % len(_OUTSIDE)]
    return f"{_INSIDE[label % len(_INSIDE)]}{'' if number % 2 else 's'}"


def negative_log_likelihoods(
    predictions: Predictions, targets: Targets, class_weights: Sequence[float] | None
) -> NDArray[np.float64]:
    """Return the sum of -log p over the tags of each text, each scaled by the weight of the tag: float64 [n]."""
    costs = np.zeros(len(targets))
    for row, (prediction, target) in enumerate(zip(predictions, targets, strict=True)):
        true = np.asarray(target, dtype=np.int64)
        weights = 1.0 if class_weights is None else np.asarray(class_weights)[true]
        of_words = prediction[np.arange(len(true)), true].astype(np.float64)
        costs[row] = -(weights * np.log(np.maximum(of_words, 1e-30))).sum()
    return costs
