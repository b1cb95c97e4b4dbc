"""Bootstrap intervals: how they are drawn (also in groups), their ends, and how a score is written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from output_specs import output

from core.contracts.components import Metric
from core.evaluation import bootstrap
from core.evaluation.bootstrap import Bootstrap, Score, count_blocks, interval
from plugins.metrics.classification import F1, Accuracy, RocAuc

ABC = output(labels="abc")


def labelled(n: int, accuracy: float = 0.8, seed: int = 0):
    """Predictions over three labels of which about that share is right."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, n)
    chosen = np.where(rng.random(n) < accuracy, targets, (targets + 1) % 3)
    return (0.8 * np.eye(3)[chosen] + 0.2 / 3).astype(np.float32), targets


def drawn(n: int, resamples: int, seed: int) -> NDArray[np.int64]:
    return np.concatenate(list(count_blocks(n, resamples, seed)))


def test_every_resample_draws_n_examples() -> None:
    counts = drawn(50, 20, seed=3)
    assert counts.shape == (20, 50)
    assert counts.dtype == np.int64
    assert (counts.sum(axis=1) == 50).all()


def test_draws_depend_on_the_seed_and_not_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = drawn(37, 23, seed=5)
    monkeypatch.setattr(bootstrap, "BLOCK_CELLS", 37 * 3)
    blocks = list(count_blocks(37, 23, seed=5))
    assert max(len(block) for block in blocks) == 3
    assert (np.concatenate(blocks) == whole).all()
    assert (drawn(37, 23, seed=6) != whole).any()


def test_no_resamples_are_no_blocks() -> None:
    assert list(count_blocks(5, 0, seed=0)) == []


def test_the_draws_of_examples_are_those_of_earlier_versions() -> None:
    assert drawn(6, 3, seed=11).tolist() == [[2, 0, 1, 2, 1, 0], [2, 0, 2, 0, 1, 1], [2, 0, 0, 2, 1, 1]]


def test_a_drawn_group_brings_all_its_examples() -> None:
    groups = np.asarray([7, 3, 7, 7, 5])
    counts = np.concatenate(list(count_blocks(5, 200, 1, groups)))
    assert counts.dtype == np.int64
    assert (counts[:, [0]] == counts[:, [2, 3]]).all()
    assert (counts[:, [0, 1, 4]].sum(axis=1) == 3).all()  # as many draws of groups as there are
    assert len(set(counts.sum(axis=1).tolist())) > 3
    assert counts[:, [0, 1, 4]].mean(axis=0) == pytest.approx(np.ones(3), abs=0.15)


def test_draws_of_groups_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = np.arange(37) // 4
    whole = np.concatenate(list(count_blocks(37, 23, 5, groups)))
    monkeypatch.setattr(bootstrap, "BLOCK_CELLS", 37 * 3)
    blocks = list(count_blocks(37, 23, 5, groups))
    assert max(len(block) for block in blocks) == 3
    assert (np.concatenate(blocks) == whole).all()


def test_groups_of_one_example_are_no_groups() -> None:
    grouped = np.concatenate(list(count_blocks(50, 20, 3, np.arange(100, 150))))
    assert (grouped == drawn(50, 20, seed=3)).all()


def test_groups_need_a_number_for_each_example() -> None:
    with pytest.raises(ValueError, match="one number for each of 5 examples"):
        next(count_blocks(5, 3, 0, np.arange(4)))


@pytest.mark.parametrize("metric", [Accuracy(), F1(), RocAuc()])
def test_copies_in_a_group_add_nothing_to_an_interval(metric: Metric) -> None:
    predictions, targets = labelled(80)
    alone = interval(metric, predictions, targets, ABC, Bootstrap())
    copies = [np.tile(predictions, (9, 1)), np.tile(targets, 9)]
    grouped = interval(metric, *copies, ABC, Bootstrap(groups=np.tile(np.arange(80), 9)))
    assert grouped == pytest.approx(alone)
    low, high = interval(metric, *copies, ABC, Bootstrap())
    assert grouped[1] - grouped[0] == pytest.approx(3 * (high - low), rel=0.15)  # √9 times as wide


def test_one_group_has_no_interval() -> None:
    predictions, targets = labelled(30)
    one, two = np.full(30, 4), np.arange(30) % 2
    assert interval(Accuracy(), predictions, targets, ABC, Bootstrap(groups=one)) == (None, None)
    assert None not in interval(Accuracy(), predictions, targets, ABC, Bootstrap(groups=two))


def test_interval_of_accuracy_is_near_the_normal_one() -> None:
    predictions, targets = labelled(1000)
    share = float((predictions.argmax(axis=1) == targets).mean())
    low, high = interval(Accuracy(), predictions, targets, ABC, Bootstrap())
    half = 1.96 * np.sqrt(share * (1 - share) / 1000)
    assert low == pytest.approx(share - half, abs=0.004)
    assert high == pytest.approx(share + half, abs=0.004)


def test_more_confidence_is_a_wider_interval() -> None:
    predictions, targets = labelled(300)
    narrow, wide = (interval(F1(), predictions, targets, ABC, Bootstrap(confidence=c)) for c in (0.5, 0.99))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_one_seed_one_interval() -> None:
    predictions, targets = labelled(100)
    first, again, other = (interval(F1(), predictions, targets, ABC, Bootstrap(seed=s)) for s in (1, 1, 2))
    assert first == again != other


def test_nothing_to_resample_is_no_interval() -> None:
    predictions, targets = labelled(100)
    assert interval(F1(), predictions, targets, ABC, Bootstrap(0)) == (None, None)
    assert interval(F1(average="none"), predictions, targets, ABC, Bootstrap()) == (None, None)
    assert interval(F1(), predictions[:0], targets[:0], ABC, Bootstrap()) == (None, None)
    assert interval(RocAuc(), predictions, targets * 0, ABC, Bootstrap()) == (None, None)


@dataclass
class MeanTarget(Metric):
    """Mean of the targets, with the default way of resampling."""

    name: ClassVar[str] = "mean_target"
    targets: ClassVar[tuple[str, ...]] = ("regression",)

    def build(self, output):
        from torchmetrics import Metric as Streaming

        class Mean(Streaming):
            def __init__(self) -> None:
                super().__init__()
                self.values: list[float] = []

            def update(self, predictions, targets) -> None:
                self.values += targets.tolist()

            def compute(self) -> float:
                return sum(self.values) / len(self.values)

        return Mean()


def test_a_metric_without_arithmetic_of_its_own_has_an_interval() -> None:
    values = np.arange(20, dtype=np.float32)
    low, high = interval(MeanTarget(), values, values, output("regression"), Bootstrap(100))
    assert 6 < low < 9.5 < high < 13


def test_a_thousand_resamples_of_two_thousand_examples_take_no_time() -> None:
    predictions, targets = labelled(2000)
    interval(F1(), predictions, targets, ABC, Bootstrap(1))  # imports
    start = time.perf_counter()
    for metric in (Accuracy(), F1()):
        interval(metric, predictions, targets, ABC, Bootstrap())
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (Score(0.8931, 0.8788, 0.90749), "0.893 [0.879, 0.907]"),
        (Score(0.5), "0.500"),
        (Score(0.0, -0.1, 0.1), "0.000 [-0.100, 0.100]"),
        (Score(123456.0, 1234.0, 0.00001234), "1.23e+05 [1.23e+03, 1.23e-05]"),
        (Score(float("nan"), 0.1, 0.2), "undefined"),
        (Score(None), "undefined"),
    ],
)
def test_score_as_text(score: Score, text: str) -> None:
    assert str(score) == text


def test_score_as_json() -> None:
    assert Score(0.5, 0.25, 0.75).to_json() == {"value": 0.5, "low": 0.25, "high": 0.75}
    assert Score(float("nan"), None, float("inf")).to_json() == {"value": None, "low": None, "high": None}
    assert type(Score(np.float64(0.5)).to_json()["value"]) is float
