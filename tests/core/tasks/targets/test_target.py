"""Tables, baselines and differences that the built-in target types return.

Covers: core/tasks/detection/target.py, core/tasks/targets/counts.py, core/tasks/targets/single_label.py,
core/tasks/targets/multi_label.py, core/tasks/targets/probabilities.py, core/tasks/targets/regression.py
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import classification_report, confusion_matrix

from core.tasks.detection.boxes import Boxes, Detections
from core.tasks.detection.target import BoxesTarget
from core.tasks.targets.counts import divide
from core.tasks.targets.encoded import objects
from core.tasks.targets.multi_label import MultiLabel
from core.tasks.targets.regression import Regression
from core.tasks.targets.single_label import SingleLabel


@pytest.fixture
def split():
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(4), 100).astype(np.float32), rng.integers(0, 3, 100)


def test_per_class_is_scikit_learns_report(split) -> None:
    predictions, targets = split
    wanted = classification_report(
        targets,
        predictions.argmax(axis=1),
        labels=range(4),
        target_names=list("abcd"),
        output_dict=True,
        zero_division=0,
    )
    for row in SingleLabel().tables(predictions, targets, "abcd")["per_class"].content:
        of = wanted[row["label"]]
        assert row["support"] == of["support"]
        assert [row["precision"], row["recall"], row["f1"]] == pytest.approx(
            [of["precision"], of["recall"], of["f1-score"]]
        )


def test_per_class_of_several_labels() -> None:
    predictions = np.array([[0.9, 0.2], [0.8, 0.3], [0.1, 0.4]], dtype=np.float32)
    targets = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    assert MultiLabel().tables(predictions, targets, ["a", "b"])["per_class"].content == [
        {"label": "a", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2},
        {"label": "b", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1},
    ]


def test_per_class_at_thresholds() -> None:
    predictions = np.array([[0.9, 0.2], [0.8, 0.3], [0.1, 0.4]], dtype=np.float32)
    targets = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    first, second = MultiLabel().tables(predictions, targets, ["a", "b"], (0.85, 0.25))["per_class"].content
    assert first == {"label": "a", "precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2} | {
        "threshold": 0.85
    }
    assert (second["precision"], second["recall"], second["threshold"]) == (0.5, 1.0, 0.25)


def test_per_class_of_boxes() -> None:
    at, far = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0)
    corners = np.array([at, far, far], dtype=np.float32)
    found = Detections(corners, np.array([0.9, 0.8, 0.1], np.float32), np.array([0, 0, 1]))
    table = BoxesTarget().tables(objects([found]), objects([Boxes((at, far), (0, 1))]), "abc", (0.5,))["per_class"]
    assert table.title == "Per class, on the test split; detections count from a score of 0.5"
    first, second, third = table.content
    assert first == {"label": "a", "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1} | {
        "ap50": pytest.approx(1), "ap50_95": pytest.approx(1),
    }  # fmt: skip
    assert (second["recall"], second["ap50"]) == (0.0, pytest.approx(1))  # found, but below the threshold
    assert (third["support"], third["ap50"], third["ap50_95"]) == (0, None, None)


def test_confusion_is_scikit_learns(split) -> None:
    predictions, targets = split
    wanted = confusion_matrix(targets, predictions.argmax(axis=1), labels=range(4))
    assert SingleLabel().tables(predictions, targets, "abcd")["confusion"].content == wanted.tolist()


def test_divide_by_nothing() -> None:
    assert divide(np.array([1.0, 2.0]), np.array([0.0, 4.0])).tolist() == [0.0, 0.5]
    assert np.isnan(divide(np.array([1.0]), np.array(0.0), empty=np.nan)).all()


def test_the_simplest_baselines() -> None:
    ((name, majority),) = SingleLabel().baseline(np.array([0, 2, 2, 2]), range(5), "abc").items()
    assert name == "majority"
    assert majority.shape == (5, 3)
    assert majority[0].tolist() == [0.25, 0.0, 0.75]
    ((name, mean),) = Regression().baseline(np.array([1.0, 3.0], dtype=np.float32), range(2), ()).items()
    assert (name, mean.tolist()) == ("mean", [2.0, 2.0])
    several = np.array([[1, 0, 0], [1, 1, 0]], dtype=np.float32)
    ((name, shares),) = MultiLabel().baseline(several, range(1), "abc").items()
    assert (name, shares.tolist()) == ("label_frequency", [[1.0, 0.5, 0.0]])
    assert BoxesTarget().baseline(objects([Boxes()]), range(1), "a") == {}


def test_differences_of_probabilities_are_absolute_and_of_large_values_relative() -> None:
    one = np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32)
    assert SingleLabel().difference(one + np.array([[0, 0], [0.125, 0]], dtype=np.float32), one) == 0.125
    prices = np.array([950_000.0, 1_000_000.0], dtype=np.float32)
    assert Regression().difference(prices + np.float32(0.0625), prices) == pytest.approx(6.25e-8)


def test_differences_of_detections() -> None:
    def found(score: float, x: float, label: int, n: int = 1):
        corners = np.tile(np.array([x, 0, 20, 20], dtype=np.float32), (n, 1))
        scores = np.full(n, score, dtype=np.float32)
        return objects([Detections(corners, scores, np.full(n, label, dtype=np.int64))])

    difference = BoxesTarget().difference
    assert difference(found(0.5, 0, 1), found(0.5, 0, 1)) == 0
    assert difference(found(0.5, 0, 1), found(0.75, 0, 1)) == 0.25
    assert difference(found(0.5, 0, 1), found(0.5, 10, 1)) == pytest.approx(0.1)
    assert difference(found(0.5, 0, 1), found(0.5, 0, 2)) == math.inf
    assert difference(found(0.5, 0, 1), found(0.5, 0, 1, n=2)) == math.inf
