"""Scores from counts of each text: streamed in bounded memory, and resampled by arithmetic on the counts."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torchmetrics
from numpy.typing import NDArray

from core.tasks import Array, divide, precision_recall_f1
from plugins.text.token_classification.counts import entity_counts, word_counts
from plugins.text.token_classification.tag_set import TagSet

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks import Predictions, Targets

BLOCK = 4096
"""Number of texts that are counted at once."""


class LastCounts:
    """The counts of the last predictions and targets, for as long as these exist.

    The bootstrap asks in blocks of resamples, and several metrics have the same counts. They are the same objects, so
    they are compared by identity; weak references keep none of them in memory.
    """

    def __init__(self) -> None:
        self._of: tuple[weakref.ref[Any], weakref.ref[Any]] | None = None
        self._counts: dict[object, Array] = {}

    def get(self, key: object, predictions: Predictions, targets: Targets, count: Callable[[], Array]) -> Array:
        """Return the counts, float64 [n, k]; call `count` only if they are not known.

        Args:
            key: Which counts of these predictions.
            predictions: An array, [n].
            targets: An array, [n].
            count: Computes the counts.
        """
        if self._of is None or self._of[0]() is not predictions or self._of[1]() is not targets:
            self._counts = {}
            self._of = (weakref.ref(predictions, self._forget), weakref.ref(targets, self._forget))
        if key not in self._counts:
            self._counts[key] = count()
        return self._counts[key]

    def _forget(self, dead: weakref.ref[Any]) -> None:
        if self._of is not None and any(each is dead for each in self._of):
            self._of, self._counts = None, {}


_LAST = LastCounts()


@dataclass(frozen=True)
class CountScore:
    """A score computed from counts, k per text, which are summed over texts.

    Confidence intervals therefore resample texts, not words: the words of one text are not independent.

    Attributes:
        name: Name of the counts.
        labels: Tag names. Scores with equal names and labels have equal counts.
        width: Number of counts per text, k.
        count: Maps (predictions, targets) of b texts to float64 [b, k].
        score: Maps sums [..., k] to scores [...], or to a table [..., c].
    """

    name: str
    labels: tuple[str, ...]
    width: int
    count: Callable[[Sequence[NDArray[Any]], Sequence[Sequence[int]]], Array]
    score: Callable[[Array], Array]

    def build(self) -> CountMetric:
        """Return a streaming metric that keeps the k sums."""
        return CountMetric(self)

    def resample(self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64]) -> Array:
        """Return the score of each resample, [r] or [r, c], from counts [r, n]."""
        return self.score(counts.astype(np.float64) @ self._of_texts(predictions, targets))

    def _of_texts(self, predictions: Predictions, targets: Targets) -> Array:
        """Return the counts of each text, float64 [n, k]; arrays are counted once."""
        key = (self.name, self.labels)
        return _LAST.get(key, predictions, targets, partial(self._count_all, predictions, targets))

    def _count_all(self, predictions: Predictions, targets: Targets) -> Array:
        counted = np.zeros((len(targets), self.width))
        for start in range(0, len(targets), BLOCK):
            part = slice(start, start + BLOCK)
            counted[part] = self.count(list(predictions[part]), list(targets[part]))
        return counted


class CountMetric(torchmetrics.Metric):  # type: ignore[misc]
    """Streams a `CountScore`: one float64 state [k], summed over processes."""

    full_state_update = False

    def __init__(self, what: CountScore) -> None:
        super().__init__()
        self.what = what
        # Named after its counts, because MetricCollection may share states that have equal names and values.
        self.add_state(what.name, torch.zeros(what.width, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, predictions: Sequence[NDArray[Any]], targets: Sequence[Sequence[int]]) -> None:
        """Add the texts of a batch."""
        seen: Tensor = getattr(self, self.what.name)
        added = torch.from_numpy(self.what.count(predictions, targets).sum(axis=0))
        setattr(self, self.what.name, seen + added.to(seen.device))

    def compute(self) -> Tensor:
        """Return the score so far, float64, 0-d or a table [c]; NaN if undefined."""
        return torch.as_tensor(self.what.score(getattr(self, self.what.name).cpu().numpy()))


def token_accuracy(labels: Sequence[str]) -> CountScore:
    """Return the share of words with the right tag; NaN without words."""
    return CountScore("words", tuple(labels), 2, partial(word_counts, tags=TagSet(labels)), _share)


def entity_score(of: str, average: str, match: str, labels: Sequence[str]) -> CountScore:
    """Return precision, recall or F1 (`of`) of entities.

    Args:
        of: `precision`, `recall` or `f1`.
        average: `micro`, `macro`, `weighted` or `none`, as the metrics' option describes.
        match: `strict` or `partial`.
        labels: Tag names.
    """
    tags = TagSet(labels)
    count = partial(entity_counts, tags=tags, partial=match == "partial")
    score = partial(_score, of=of, average=average, type_of=tags.type_of)
    return CountScore(f"{match}_entities", tags.labels, 3 * len(tags.types), count, score)


def _share(sums: Array) -> Array:
    return divide(sums[..., 0], sums[..., 1], empty=np.nan)


def _score(sums: Array, of: str, average: str, type_of: Sequence[int]) -> Array:
    """Return the score of sums [..., 3t]: correct, predicted and true entities of each type."""
    counts = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, sums.shape[-1] // 3), -2, 0)
    hits, predicted, true = counts.sum(axis=-1, keepdims=True) if average == "micro" else counts
    values = dict(zip(("precision", "recall", "f1"), precision_recall_f1(hits, predicted, true), strict=True))[of]
    if average == "none":  # the value of each tag is that of its type
        outside = np.full((*values.shape[:-1], 1), np.nan)
        return np.concatenate([values, outside], axis=-1)[..., list(type_of)]
    # As in seqeval and scikit-learn: a type that is predicted but never true counts, as 0.
    weights = true if average == "weighted" else (predicted + true > 0).astype(np.float64)
    return divide((values * weights).sum(axis=-1), weights.sum(axis=-1), empty=np.nan)
