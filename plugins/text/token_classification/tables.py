"""The tables of the test split: scores by type of entity or by tag, and the most frequent confusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from core.tasks import Predictions, ResultTable, Targets, precision_recall_f1
from plugins.text.token_classification.counts import decided, entity_counts
from plugins.text.token_classification.tag_set import Span, TagSet

SHOWN = 20
"""Maximum number of confusions in a table."""
NONE = "(none)"


def result_tables(predictions: Predictions, targets: Targets, labels: Sequence[str]) -> dict[str, ResultTable]:
    """Return the tables `per_type` and `confusion`; for plain tags `per_tag` and `confusion`."""
    tags = TagSet(labels)
    if tags.plain:
        rows = _confused_tags(predictions, targets, tags)
        return {
            "per_tag": ResultTable(_per_tag(predictions, targets, tags), "Words by tag, on the test split"),
            "confusion": ResultTable(rows, "The most frequent confusions of tags, on the test split"),
        }
    return {
        "per_type": ResultTable(_per_type(predictions, targets, tags), "Entities by type, on the test split"),
        "confusion": ResultTable(
            _confused_entities(predictions, targets, tags), "The most frequent errors of entities, on the test split"
        ),
    }


def _per_type(predictions: Predictions, targets: Targets, tags: TagSet) -> list[dict[str, Any]]:
    """Return a row per type: true, predicted and correct entities, precision, recall and F1, by strict match."""
    hits, predicted, true = entity_counts(list(predictions), list(targets), tags).sum(axis=0).reshape(3, -1)
    return _rows("type", tags.types, "entities", np.stack([true, predicted, hits]))


def _per_tag(predictions: Predictions, targets: Targets, tags: TagSet) -> list[dict[str, Any]]:
    """Return a row per tag, `O` included: its words, those predicted and the correct ones, precision, recall and F1."""
    matrix = np.zeros((len(tags.labels), len(tags.labels)))
    found = chain.from_iterable(decided(each, tags) for each in predictions)
    np.add.at(matrix, (list(chain.from_iterable(targets)), list(found)), 1)
    return _rows("tag", tags.labels, "words", np.stack([matrix.sum(axis=1), matrix.sum(axis=0), matrix.diagonal()]))


def _rows(key: str, names: Sequence[str], unit: str, counts: Any) -> list[dict[str, Any]]:
    """Return a row per name from counts [3, k]: true, predicted, correct."""
    true, predicted, hits = counts
    scores = np.stack(precision_recall_f1(hits, predicted, true), axis=1)
    return [
        {key: name, unit: int(n), "predicted": int(k), "correct": int(h)}
        | {"precision": float(p), "recall": float(r), "f1": float(f)}
        for name, n, k, h, (p, r, f) in zip(names, true, predicted, hits, scores, strict=True)
    ]


def _confused_tags(predictions: Predictions, targets: Targets, tags: TagSet) -> list[dict[str, Any]]:
    """Return pairs of a true tag and another predicted one, the most frequent first."""
    wrong: Counter[tuple[str, ...]] = Counter()
    for prediction, target in zip(predictions, targets, strict=True):
        pairs = zip(target, decided(prediction, tags), strict=True)
        wrong.update((tags.labels[true], tags.labels[found]) for true, found in pairs if true != found)
    return [{"true": true, "predicted": found, "words": n} for (true, found), n in _most_common(wrong)]


def _confused_entities(predictions: Predictions, targets: Targets, tags: TagSet) -> list[dict[str, Any]]:
    """Return the kinds of errors, the most frequent first; see `errors_of`."""
    wrong: Counter[tuple[str, ...]] = Counter()
    for prediction, target in zip(predictions, targets, strict=True):
        wrong.update(errors_of(tags.spans(decided(prediction, tags)), tags.spans(target)))
    return [
        {"true": true, "predicted": found, "boundaries": boundaries, "entities": n}
        for (true, found, boundaries), n in _most_common(wrong)
    ]


def errors_of(found: Sequence[Span], wanted: Sequence[Span]) -> Iterator[tuple[str, str, str]]:
    """Yield the errors of one text: the true type, the predicted type, and whether the boundaries are right.

    Each true entity that is not found exactly is one error, together with the predicted entity that it shares the most
    words with. A predicted entity that shares no word with a true one is another.
    """
    for span in wanted:
        near = max(found, key=lambda each: _shared(each, span), default=None)
        if near is None or not _shared(near, span):
            yield span.label, NONE, "missed"
        elif near != span:
            same = (near.start, near.end) == (span.start, span.end)
            yield span.label, near.label, "right" if same else "wrong"
    for span in found:
        if not any(_shared(span, each) for each in wanted):
            yield NONE, span.label, "invented"


def _shared(one: Span, other: Span) -> int:
    """Return the number of words that two spans share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def _most_common(wrong: Counter[tuple[str, ...]]) -> list[tuple[tuple[str, ...], int]]:
    return sorted(wrong.items(), key=lambda each: (-each[1], each[0]))[:SHOWN]
