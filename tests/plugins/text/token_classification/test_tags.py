"""The target type of tags: every contract, class weights, differences, what is invalid, splits by type of entity."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from token_plugin import LABELS, numbers, registered, sure, text

from core.contracts.splits import SplitOptions, Splits
from core.data.build import build_splits
from core.data.rows import Row, Source
from core.tasks.targets.encoded import objects
from core.tasks.targets.target import Targets
from core.tasks.task import Task
from core.testing.components import check_component
from core.testing.targets import check_target_type
from plugins.text.token_classification.example import TokenExample, joined
from plugins.text.token_classification.samples import sample_tags
from plugins.text.token_classification.tags import Tags

TARGET = Tags()
PLAIN = ("DET", "NOUN", "VERB")


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with registered():
        yield


def examples(labels: tuple[str, ...]) -> list[TokenExample]:
    return [
        replace(joined([f"word{at}" for at in range(len(tags))], f"sample:{row}"), target=tags)
        for row, tags in enumerate(sample_tags(30, labels))
    ]


@pytest.mark.parametrize("labels", [LABELS, PLAIN, ("O", "NOUN", "VERB"), ("B-x", "I-x")], ids=len)
def test_the_target_type_keeps_every_contract(labels: tuple[str, ...]) -> None:
    check_target_type(TARGET, labels, examples(labels))


def test_the_component_keeps_every_contract() -> None:
    check_component(Tags)


def test_the_mean_weight_of_a_word_is_one() -> None:
    targets = objects([numbers("O O O O"), numbers("O O B-date I-date"), (), numbers("B-date O")])
    labels = LABELS[:3]
    weights = TARGET.class_weights(targets, labels)
    assert weights == pytest.approx((10 / (3 * 7), 10 / (3 * 2), 10 / (3 * 1)))
    assert average_weight(targets, weights) == pytest.approx(1)
    assert TARGET.example_weights(targets, weights) is None


def test_a_tag_that_does_not_occur_changes_no_weight() -> None:
    targets = objects([numbers("O O O O"), numbers("O O B-date")])
    weights = TARGET.class_weights(targets, LABELS)
    assert weights == pytest.approx((7 / (2 * 6), 7 / (2 * 1), 1, 1, 1, 1, 1))
    assert average_weight(targets, weights) == pytest.approx(1)
    assert TARGET.class_weights(objects([(), ()]), LABELS) == (1,) * 7


def average_weight(targets: Targets, weights: tuple[float, ...]) -> float:
    return float(np.mean([weights[tag] for target in targets for tag in target]))


def test_the_difference_is_that_of_probabilities() -> None:
    one = objects([sure(numbers("O B-date")), sure(())])
    other = objects([one[0].copy(), one[1]])
    other[0][0, :2] = (0.75, 0.25)
    assert TARGET.difference(one, one) == 0
    assert TARGET.difference(one, other) == 0.25
    assert TARGET.difference(one, objects([sure(numbers("O")), sure(())])) == math.inf


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ((0, 1), ""),
        ([0, 1], "must be a tuple of tag indices, one per word"),
        ((0, 7), "must have the indices (int) of 7 tags"),
        ((0, -1), "must have the indices (int) of 7 tags"),
        ((0, np.int64(1)), "must have the indices (int) of 7 tags"),
        ((0, 1, 2), "must have 2 tags, one per word"),
    ],
)
def test_problems_of_a_target(target: object, problem: str) -> None:
    assert TARGET.target_problem(target, LABELS, text("Ada slept")) == problem


UNIFORM = np.full((2, 7), 1 / 7, dtype=np.float32)


@pytest.mark.parametrize(
    ("prediction", "problem"),
    [
        (UNIFORM, ""),
        (UNIFORM[:0], ""),
        ([0, 1], r"as float32 \[w, 7\]; it gives \[0, 1\]"),
        (UNIFORM.astype(np.float64), r"as float32 \[w, 7\]; it gives float64 \[2, 7\]"),
        (UNIFORM[0], r"it gives float32 \[7\]"),
        (UNIFORM[:, :6], "7 probabilities per word; it gives 6"),
        (UNIFORM * np.nan, "not finite"),
        (UNIFORM - 0.5, "outside 0 to 1"),
        (UNIFORM / 2, "sum to 1 for each word"),
    ],
)
def test_problems_of_predictions(prediction: object, problem: str) -> None:
    found = TARGET.problem(objects([UNIFORM, prediction]), 2, LABELS)
    assert re.search(problem, found) if problem else not found


def test_there_must_be_a_prediction_per_text() -> None:
    assert "for each of 3 texts; it gives [2]" in TARGET.problem(objects([UNIFORM, UNIFORM]), 3, LABELS)


def split(rows: list[Row], labels: list[str]) -> Splits:
    source = Source(iter(rows), lambda at: [rows[number].example for number in at], digest="x", origin="rows")
    task = Task(type="token-classification", target="tags", labels=labels)
    return build_splits(source, task, 0, SplitOptions(val_fraction=0.2, test_fraction=0.2))


def test_splits_are_stratified_by_the_rarest_type() -> None:
    """A type that one of ten texts has is in every split, in the same share."""
    rows = []
    for number in range(400):
        tags = ["O", "B-person", "I-person", "B-place" if number % 10 == 0 else "O"]
        rows.append(Row(joined(["saw", f"Ada{number}", "B", "it"]), tags, f"row:{number}"))
    splits = split(rows, ["person", "place"])
    assert splits.labels == ("O", "B-person", "I-person", "B-place", "I-place")
    shares = [
        sum(3 in example.target for example in part) / len(part) for part in (splits.train, splits.val, splits.test)
    ]
    assert shares == pytest.approx([0.1, 0.1, 0.1], abs=0.005)
    assert split(rows, list(splits.labels)).fingerprint == splits.fingerprint
