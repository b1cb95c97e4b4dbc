"""Count words and spans: decided tags, the spans in many texts at once, and how many of them are correct.

The tags of all texts of a batch stand in one array, so that nothing here loops over words. `TagSet.spans` is the same
rule for one text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.tasks import Array
from plugins.text.token_classification.tag_set import INSIDE, TagSet

Int: TypeAlias = NDArray[np.int64]


def decided(prediction: NDArray[Any], tags: TagSet) -> list[int]:
    """Return the decision for each word of a text: the index of its most probable tag, repaired.

    Args:
        prediction: float32 [w, c], the probabilities of the tags of each word.
        tags: The tag names.
    """
    return tags.repaired(prediction.argmax(axis=1).tolist()) if len(prediction) else []


@dataclass(frozen=True)
class Words:
    """The tags of the words of n texts, one text after the other.

    Attributes:
        tags: int64 [words], the index of each word's tag.
        text: int64 [words], the number of each word's text.
        n: Number of texts.
    """

    tags: Int
    text: Int
    n: int


@dataclass(frozen=True)
class Spans:
    """The spans in n texts, in their order.

    Attributes:
        start, end: int64 [k], the number of the first word, and that of the last word plus one.
        label: int64 [k], positions in `TagSet.types`.
        text: int64 [k], the number of the text.
    """

    start: Int
    end: Int
    label: Int
    text: Int


class TagTable:
    """What each tag means, as arrays over the tags [c].

    Args:
        tags: The tag names.
    """

    def __init__(self, tags: TagSet) -> None:
        self.n_types = len(tags.types)
        self.label = np.asarray(tags.type_of, dtype=np.int64)
        self.continues = np.asarray([each.startswith(INSIDE) for each in tags.labels], dtype=bool)
        alone = [tags.repaired([tag])[0] for tag in range(len(tags.labels))]
        self.first = np.asarray(alone, dtype=np.int64)  # the tag in place of one that continues nothing

    def predicted(self, predictions: Sequence[NDArray[Any]]) -> Words:
        """Return the decisions of n predictions, each float32 [w, c]."""
        found = [each.argmax(axis=1) for each in predictions if len(each)]
        lengths = [len(each) for each in predictions]
        return self._words(np.concatenate(found) if found else np.zeros(0, dtype=np.int64), lengths)

    def true(self, targets: Sequence[Sequence[int]]) -> Words:
        """Return the tags of n targets; an `I-` that continues nothing begins a span there too."""
        return self._words(np.fromiter(chain.from_iterable(targets), np.int64), [len(each) for each in targets])

    def spans(self, words: Words) -> Spans:
        """Return the spans in the tags of n texts."""
        first = np.flatnonzero(self._begins(words.tags, words.text))
        label = self.label[words.tags]
        # A span ends before a word outside and before the next span. The first word of a text is always one of both.
        ends = np.ones(len(label) + 1, dtype=bool)
        ends[:-1] = self._begins(words.tags, words.text) | (label < 0)
        stops = np.flatnonzero(ends)
        end = stops[np.searchsorted(stops, first, side="right")]
        return Spans(first, end, label[first], words.text[first])

    def _words(self, tags: Int, lengths: Sequence[int]) -> Words:
        text = np.repeat(np.arange(len(lengths)), lengths)
        return Words(np.where(self._begins(tags, text), self.first[tags], tags), text, len(lengths))

    def _begins(self, tags: Int, text: Int) -> NDArray[np.bool_]:
        """Return whether each word begins a span, bool [words]."""
        label = self.label[tags]
        follows = np.zeros(len(tags), dtype=bool)  # whether the word before has the same label
        follows[1:] = (label[1:] == label[:-1]) & (text[1:] == text[:-1])
        begins: NDArray[np.bool_] = (label >= 0) & ~(self.continues[tags] & follows)
        return begins


def word_counts(predictions: Sequence[NDArray[Any]], targets: Sequence[Sequence[int]], tags: TagSet) -> Array:
    """Return the number of words of each text with the right tag, and of all its words: float64 [n, 2]."""
    _refuse_other_lengths(predictions, targets)
    table = TagTable(tags)
    predicted, true = table.predicted(predictions), table.true(targets)
    right = np.bincount(true.text[predicted.tags == true.tags], minlength=true.n)
    return np.stack([right, np.bincount(true.text, minlength=true.n)], axis=1).astype(np.float64)


def entity_counts(
    predictions: Sequence[NDArray[Any]], targets: Sequence[Sequence[int]], tags: TagSet, partial: bool = False
) -> Array:
    """Return three counts per type for each text, float64 [n, 3t]: correct spans, predicted spans, true spans.

    A span is correct if its first word, its last word and its type are those of a true one.

    Args:
        predictions: n predictions, each float32 [w, c].
        targets: The n targets.
        tags: The tag names.
        partial: Whether a span that only overlaps a true one of its type counts half; see `halves`.
    """
    _refuse_other_lengths(predictions, targets)
    table = TagTable(tags)
    words, truth = table.predicted(predictions), table.true(targets)
    found, wanted = table.spans(words), table.spans(truth)
    exact = _exact(found, wanted, len(truth.tags))
    size = truth.n * table.n_types

    def by_type(spans: Spans, chosen: NDArray[np.bool_] | slice = slice(None)) -> Array:
        cells = (spans.text * table.n_types + spans.label)[chosen]
        return np.bincount(cells, minlength=size).reshape(truth.n, table.n_types).astype(np.float64)

    hits = by_type(found, exact)
    if partial:
        hits += 0.5 * by_type(found, halves(found, wanted, len(truth.tags)))
    return np.concatenate([hits, by_type(found), by_type(wanted)], axis=1)


def _refuse_other_lengths(predictions: Sequence[NDArray[Any]], targets: Sequence[Sequence[int]]) -> None:
    """Raise an error if a prediction and its target have different numbers of words.

    Raises:
        ValueError: They have.
    """
    for number, (prediction, target) in enumerate(zip(predictions, targets, strict=True)):
        if len(prediction) != len(target):
            raise ValueError(f"example {number} has {len(target)} words, but predictions for {len(prediction)}")


def _exact(found: Spans, wanted: Spans, n_words: int) -> NDArray[np.bool_]:
    """Return which of the spans `found` are also in `wanted`, bool [k]."""
    at = np.full(n_words, -1, dtype=np.int64)  # the true span that begins at each word
    at[wanted.start] = np.arange(len(wanted.start))
    other = at[found.start]
    same: NDArray[np.bool_] = other >= 0
    same[same] = (wanted.end[other[same]] == found.end[same]) & (wanted.label[other[same]] == found.label[same])
    return same


def halves(found: Spans, wanted: Spans, n_words: int) -> NDArray[np.bool_]:
    """Return which of the spans `found` overlap a true one of their type with other boundaries, bool [k].

    Spans are paired one to one from left to right, which pairs as many as possible. Exact ones are paired already.

    Source:
        Partial credit of one half: Chinchor and Sundheim, MUC-5 Evaluation Metrics (1993); Segura-Bedmar et al.,
        SemEval-2013 Task 9. Here the type must be right too.
    """
    exact = _exact(found, wanted, n_words)  # these share words with no other span
    ours, theirs = (_numbers(spans, n_words) for spans in (found, wanted))
    both = np.flatnonzero((ours >= 0) & (theirs >= 0))
    pairs = np.unique(np.stack([ours[both], theirs[both]], axis=1), axis=0)
    paired, taken = exact.copy(), np.zeros(len(wanted.start), dtype=bool)
    for mine, other in pairs[found.label[pairs[:, 0]] == wanted.label[pairs[:, 1]]].tolist():
        if not (paired[mine] or taken[other]):
            paired[mine] = taken[other] = True
    result: NDArray[np.bool_] = paired & ~exact
    return result


def _numbers(spans: Spans, n_words: int) -> Int:
    """Return the number of the span that each word lies in, -1 outside: int64 [words]."""
    numbers = np.full(n_words, -1, dtype=np.int64)
    lengths = spans.end - spans.start
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    numbers[np.repeat(spans.start, lengths) + within] = np.repeat(np.arange(len(lengths)), lengths)
    return numbers
