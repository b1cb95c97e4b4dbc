"""The target type of a tag for each word."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core import TargetType
from plugins.text.token_classification.example import TAGS
from plugins.text.token_classification.tag_set import TagSet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core import Task
    from core.tasks import Encoder, Predictions, ResultTable, Targets

CONLL = "conll"


@dataclass
class Tags(TargetType):
    """A tag for each word of a text: IOB2 tags of entities, or plain tags such as parts of speech.

    A target is a tuple of tag indices, one per word (w of them, maybe none). Targets: object [n], one tuple per text.
    Predictions: object [n], one array of probabilities per text, a softmax over the tags of each word, float32 [w, c].

    The decision for a word is its most probable tag; an `I-` tag that continues no entity then becomes the `B-` tag.
    Metrics, tables and files all use these decisions.
    """

    name: ClassVar[str] = TAGS
    needs_every_label: ClassVar[bool] = False  # a tag such as I-date may well be missing from a small training split
    objects: ClassVar[bool] = True
    train_options: ClassVar[frozenset[str]] = frozenset({"class_weights", "label_smoothing"})
    formats: ClassVar[tuple[str, ...]] = (CONLL,)
    sample_labels: ClassVar[tuple[str, ...]] = ("O", "B-calm", "I-calm", "B-wild", "I-wild")

    def encoder(self, task: Task) -> Encoder:
        """Return an encoder of sequences of tag names, one per word."""
        from plugins.text.token_classification.encoder import TagEncoder

        return TagEncoder(task)

    def stack(self, targets: Sequence[Any], labels: Sequence[str]) -> Targets:
        """Return the tags of each text, object [n]."""
        from core.tasks import objects

        return objects(targets)

    def labels_of(self, target: Sequence[int]) -> tuple[int, ...]:
        """Return the indices of the tags that occur."""
        return tuple(sorted(set(target)))

    def write_target(self, target: Sequence[int], labels: Sequence[str], example: Any = None) -> list[Any]:
        """Return the entities of `example`: start, end, text and label. For plain tags, return the tag names."""
        from plugins.text.token_classification.writing import entities_of

        tags = TagSet(labels)
        return [labels[tag] for tag in target] if tags.plain else entities_of(target, tags, example)

    def strata(self, targets: Sequence[Sequence[int]]) -> NDArray[np.int64]:
        """Return the rarest tag of each text, int64 [n]; -1 for a text without words.

        The encoder knows the tag names, so in its place the rarest type of entity counts; see `TagRules`.
        """
        from plugins.text.token_classification.encoder import rarest

        return rarest([set(target) for target in targets])

    def class_weights(self, targets: Targets, labels: Sequence[str]) -> tuple[float, ...]:
        """Return words / (c * count) for each of the c tags that occur, so that the mean weight of a word is 1.

        A tag that does not occur gets the weight 1: with label smoothing, every tag's weight is part of each loss.
        The formula is that of `SingleLabel`.
        """
        from itertools import chain

        import numpy as np

        counts = np.bincount(np.fromiter(chain.from_iterable(targets), np.int64), minlength=len(labels))
        balanced = counts.sum() / (np.count_nonzero(counts) * np.maximum(1, counts)) if counts.any() else counts
        return tuple(np.where(counts > 0, balanced, 1.0).tolist())

    def tables(
        self,
        predictions: Predictions,
        targets: Targets,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> dict[str, ResultTable]:
        """Return precision, recall and F1 by type of entity, and the most frequent errors; for plain tags by tag."""
        from plugins.text.token_classification.tables import result_tables

        return result_tables(predictions, targets, labels)

    def write(
        self, prediction: Any, labels: Sequence[str], thresholds: Sequence[float] | None = None, example: Any = None
    ) -> dict[str, Any]:
        """Return `tags` and `entities`; for plain tags, `tags` and `scores`.

        An entity has its start and end in characters of the example's text, its text, its label and a score: the
        probability of the most probable tag, averaged over the words of the entity.
        """
        from plugins.text.token_classification.counts import decided
        from plugins.text.token_classification.writing import written

        tags = TagSet(labels)
        return written(decided(prediction, tags), prediction.max(axis=1, initial=0.0).tolist(), tags, example)

    def columns(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Return the columns of a CSV with one row per entity; for plain tags, one row per word."""
        from plugins.text.token_classification.writing import ENTITY_COLUMNS, WORD_COLUMNS

        return WORD_COLUMNS if TagSet(labels).plain else ENTITY_COLUMNS

    def rows(self, line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield one row per entity; for plain tags, one row per word."""
        from plugins.text.token_classification.writing import csv_rows

        return csv_rows(line)

    def text_lines(self, line: Mapping[str, Any], format: str) -> Iterator[str]:
        """Yield the lines of a CoNLL file for one text: word, tab and tag, then an empty line."""
        from plugins.text.token_classification.writing import conll_lines

        return conll_lines(line)

    def difference(self, one: Predictions, other: Predictions) -> float:
        """Return the largest difference of probabilities; infinite if the numbers of words or tags differ."""
        import numpy as np

        gap = 0.0
        for a, b in zip(one, other, strict=True):
            if a.shape != b.shape:
                return math.inf
            gap = max(gap, float(np.abs(a.astype(np.float64) - b).max(initial=0.0)))
        return gap

    def costs(
        self, predictions: Predictions, targets: Targets, class_weights: Sequence[float] | None = None
    ) -> NDArray[np.float64]:
        """Return the negative log-likelihood of the tags of each text, each scaled by the tag's weight, float64 [n]."""
        from plugins.text.token_classification.samples import negative_log_likelihoods

        return negative_log_likelihoods(predictions, targets, class_weights)

    def samples(self, count: int, labels: Sequence[str]) -> list[Any]:
        """Return tags with spans of all types; some texts have no entity, and some no word."""
        from plugins.text.token_classification.samples import sample_tags

        return list(sample_tags(count, labels))

    def sample_predictions(
        self, targets: Targets, labels: Sequence[str], seed: int, perfect: bool = False
    ) -> Predictions:
        """Return random probabilities with some errors, or 1 for each tag of the targets."""
        from plugins.text.token_classification.samples import imperfect_predictions, perfect_predictions

        return perfect_predictions(targets, labels) if perfect else imperfect_predictions(targets, labels, seed)

    def same_decisions(self, predictions: Predictions, labels: Sequence[str], seed: int) -> Predictions:
        """Return probabilities of 0 and 1 with the same most probable tags."""
        from plugins.text.token_classification.samples import perfect_predictions

        return perfect_predictions(self.stack([each.argmax(axis=1) for each in predictions], labels), labels)

    def target_problem(self, target: Any, labels: Sequence[str], example: Any = None) -> str:
        """Return what is wrong with the tags of a text."""
        if not isinstance(target, tuple):
            return "must be a tuple of tag indices, one per word"
        if not all(isinstance(tag, int) and 0 <= tag < len(labels) for tag in target):
            return f"must have the indices (int) of {len(labels)} tags"
        if example is not None and len(target) != len(example.words):
            return f"must have {len(example.words)} tags, one per word"
        return ""

    def problem(self, predictions: Predictions, n: int, labels: Sequence[str]) -> str:
        """Return what is wrong with the probabilities of n texts."""
        if predictions.shape != (n,):
            shape = list(predictions.shape)
            return f"must give one array of probabilities for each of {n} texts; it gives {shape}."
        return next((problem for each in predictions if (problem := _text_problem(each, len(labels)))), "")


def _text_problem(prediction: Any, n_labels: int) -> str:
    """Return what is wrong with the probabilities of one text."""
    import numpy as np

    if not isinstance(prediction, np.ndarray) or prediction.dtype != np.float32 or prediction.ndim != 2:
        found = f"{prediction.dtype} {list(prediction.shape)}" if isinstance(prediction, np.ndarray) else prediction
        return f"must give the probabilities of each text as float32 [w, {n_labels}]; it gives {found!s}."
    if prediction.shape[1] != n_labels:
        return f"must give {n_labels} probabilities per word; it gives {prediction.shape[1]}."
    if not np.isfinite(prediction).all():
        return "gives values that are not finite."
    if (prediction < 0).any() or (prediction > 1).any():
        return "must give probabilities, and some lie outside 0 to 1; apply a softmax to the logits."
    if len(prediction) and np.abs(prediction.sum(axis=1) - 1).max() > 1e-4:
        return "must give probabilities that sum to 1 for each word; apply a softmax to the logits."
    return ""
