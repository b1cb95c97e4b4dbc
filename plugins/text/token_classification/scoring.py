"""Scores from counts of each text: streamed in bounded memory, and resampled by arithmetic on the counts."""

from __future__ import annotations

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


@dataclass(frozen=True)
class CountScore:
    """A score computed from counts, k per text, which are summed over texts.

    Confidence intervals therefore resample texts, not words: the words of one text are not independent.

    Attributes:
        name: Name of the counts.
        width: Number of counts per text, k.
        count: Maps (predictions, targets) of b texts to float64 [b, k].
        score: Maps sums [..., k] to scores [...], or to a table [..., c].
    """

    name: str
    width: int
    count: Callable[[Sequence[NDArray[Any]], Sequence[Sequence[int]]], Array]
    score: Callable[[Array], Array]

    def build(self) -> CountMetric:
        """Return a streaming metric that keeps the k sums."""
        return CountMetric(self)

    def resample(self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64]) -> Array:
        """Return the score of each resample, [r] or [r, c], from counts [r, n]."""
        sums = np.zeros((len(counts), self.width))
        for start in range(0, len(targets), BLOCK):
            part = slice(start, start + BLOCK)
            of_texts = self.count(list(predictions[part]), list(targets[part]))
            sums += counts[:, part].astype(np.float64) @ of_texts
        return self.score(sums)


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
    return CountScore("words", 2, partial(word_counts, tags=TagSet(labels)), _share)


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
    return CountScore(f"{match}_entities", 3 * len(tags.types), count, score)


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
