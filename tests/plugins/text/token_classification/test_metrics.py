"""Metrics of entities and words: every contract, cases worked out by hand, undefined scores."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from token_plugin import LABELS, numbers, output, registered, sure

from core.contracts.components import Metric
from core.evaluation.bootstrap import Bootstrap, interval
from core.files import clean
from core.tasks.targets.encoded import objects
from core.testing.components import check_component
from core.testing.metrics import check_metric
from plugins.text.token_classification.metrics import (
    AVERAGES,
    MATCHES,
    Counted,
    EntityF1,
    EntityPrecision,
    EntityRecall,
    TokenAccuracy,
)

ENTITY_METRICS = (EntityPrecision, EntityRecall, EntityF1)
VARIANTS: list[Metric] = [TokenAccuracy()]
VARIANTS += [kind(average=average, match=match) for kind in ENTITY_METRICS for average in AVERAGES for match in MATCHES]


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with registered():
        yield


def value(metric: Metric, found: list[str], wanted: list[str], labels: tuple[str, ...] = LABELS) -> Any:
    """Return the value of a metric for sure predictions of these tags."""
    built = metric.build(output(labels))
    built.update([sure(numbers(each, labels), labels) for each in found], [numbers(each, labels) for each in wanted])
    return built.compute().numpy()


@pytest.mark.parametrize("metric", VARIANTS, ids=repr)
@pytest.mark.parametrize("labels", [LABELS, ("O", "NOUN", "VERB")], ids=len)
def test_the_metric_keeps_every_contract(metric: Metric, labels: tuple[str, ...]) -> None:
    if getattr(metric, "average", "") == "none" and "O" in labels:
        labels = tuple(each for each in labels if each != "O")  # the value of O is undefined, on purpose
    check_metric(metric, labels=labels)


@pytest.mark.parametrize("metric", [*ENTITY_METRICS, TokenAccuracy])
def test_the_component_keeps_every_contract(metric: type[Metric]) -> None:
    check_component(metric)


WANTED = ["B-date I-date O B-person", "B-person O B-place", "O O"]
FOUND = ["B-date I-date O B-place", "B-person O O", "O B-date"]
"""Correct, predicted and true: date 1, 2, 1; person 1, 1, 2; place 0, 1, 1."""


@pytest.mark.parametrize(
    ("average", "precision", "recall", "f1"),
    [
        ("micro", 2 / 4, 2 / 4, 2 / 4),
        ("macro", (1 / 2 + 1 + 0) / 3, (1 + 1 / 2 + 0) / 3, (2 / 3 + 2 / 3 + 0) / 3),
        ("weighted", (1 / 2 + 2 * 1 + 0) / 4, (1 + 2 / 2 + 0) / 4, (2 / 3 + 2 * 2 / 3 + 0) / 4),
    ],
)
def test_averages(average: str, precision: float, recall: float, f1: float) -> None:
    scores = [float(value(kind(average=average), FOUND, WANTED)) for kind in ENTITY_METRICS]
    assert scores == pytest.approx([precision, recall, f1])


def test_a_table_has_the_value_of_each_tags_type() -> None:
    table = value(EntityRecall(average="none"), FOUND, WANTED)
    assert table[1:].tolist() == [1, 1, 0.5, 0.5, 0, 0]
    assert math.isnan(table[0])
    assert json.loads(json.dumps(clean(table.tolist())))[0] is None


def test_partial_matches_count_half() -> None:
    wanted, found = ["B-date I-date O B-person"], ["B-date O O B-person"]
    assert float(value(EntityF1(), found, wanted)) == 0.5
    assert float(value(EntityF1(match="partial"), found, wanted)) == 0.75
    assert float(value(EntityPrecision(match="partial"), ["B-date O O O"], wanted)) == 0.5
    assert float(value(EntityRecall(match="partial"), ["B-date O O O"], wanted)) == 0.25


def test_macro_counts_a_type_that_is_only_predicted_and_leaves_out_one_that_is_neither() -> None:
    assert float(value(EntityF1(average="macro"), ["B-date B-place"], ["B-date O"])) == 0.5
    assert float(value(EntityF1(average="weighted"), ["B-date B-place"], ["B-date O"])) == 1


@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
def test_scores_without_entities_are_undefined(average: str) -> None:
    for kind in ENTITY_METRICS:
        assert math.isnan(float(value(kind(average=average), ["O O"], ["O O"])))
    assert float(value(EntityRecall(average="micro"), ["O"], ["B-date"])) == 0
    assert float(value(EntityPrecision(average="micro"), ["O"], ["B-date"])) == 0
    assert math.isnan(float(value(TokenAccuracy(), [""], [""])))


def test_token_accuracy_counts_words() -> None:
    assert float(value(TokenAccuracy(), FOUND, WANTED)) == pytest.approx(6 / 9)
    assert float(value(TokenAccuracy(), ["O I-date"], ["O B-date"])) == 1  # repaired


def test_plain_tags_are_scored_by_word() -> None:
    labels = ("DET", "NOUN", "VERB")
    found, wanted = ["DET NOUN NOUN", "VERB"], ["DET NOUN VERB", "VERB"]
    assert float(value(EntityF1(), found, wanted, labels)) == float(value(TokenAccuracy(), found, wanted, labels))
    macro = (1 + 2 / 3 + 2 / 3) / 3
    assert float(value(EntityF1(average="macro"), found, wanted, labels)) == pytest.approx(macro)


@dataclass
class ByWord(TokenAccuracy):
    """A wrong metric: it draws words, so that its intervals are too narrow."""

    name: ClassVar[str] = "by_word"

    def resample(self, predictions: Any, targets: Any, counts: Any, output: Any) -> Any:
        right = np.concatenate([each.argmax(axis=1) == list(t) for each, t in zip(predictions, targets, strict=True)])
        return np.asarray([np.random.default_rng(row).choice(right, len(right)).mean() for row in range(len(counts))])


def test_a_metric_that_resamples_words_is_caught() -> None:
    with pytest.raises(AssertionError, match="`resample` with each example once differs from `compute`"):
        check_metric(ByWord(), labels=LABELS)


def test_intervals_are_those_of_texts_not_of_words() -> None:
    """In each text, all words are right or all are wrong: 40 texts of 25 words say as much as 40 words."""
    right, wrong = numbers("O " * 25), numbers("B-date " * 25)
    predictions, targets = objects([sure(right), sure(wrong)] * 20), objects([right] * 40)
    low, high = interval(TokenAccuracy(), predictions, targets, output(), Bootstrap(seed=1))
    assert low is not None
    assert high is not None
    of_texts = 2 * 1.96 * math.sqrt(0.25 / 40)
    assert high - low == pytest.approx(of_texts, rel=0.15)


def test_many_texts_are_resampled_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from plugins.text.token_classification import scoring

    metric, spec = EntityF1(), output()
    targets = spec.stack(spec.target.samples(50, LABELS))
    predictions = spec.target.sample_predictions(targets, LABELS, 1)
    counts = np.random.default_rng(0).integers(0, 3, (4, 50))
    whole = metric.resample(predictions, targets, counts, spec)
    monkeypatch.setattr(scoring, "BLOCK", 7)
    assert metric.resample(predictions, targets, counts, spec) == pytest.approx(whole)


def test_metrics_are_light_and_share_their_base() -> None:
    assert all(issubclass(each, Counted) and each.decides for each in (*ENTITY_METRICS, TokenAccuracy))
