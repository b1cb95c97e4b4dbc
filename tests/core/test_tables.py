"""The table of labels and the confusion matrix."""

from __future__ import annotations

import numpy as np
import pytest
from core.tables import confusion, divide, per_class
from sklearn.metrics import classification_report, confusion_matrix

from core.kinds import Boxes, Detections, objects


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
    for row in per_class(predictions, targets, "abcd", "single"):
        of = wanted[row["label"]]
        assert row["support"] == of["support"]
        assert [row["precision"], row["recall"], row["f1"]] == pytest.approx(
            [of["precision"], of["recall"], of["f1-score"]]
        )


def test_per_class_of_several_labels() -> None:
    predictions = np.array([[0.9, 0.2], [0.8, 0.3], [0.1, 0.4]], dtype=np.float32)
    targets = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    assert per_class(predictions, targets, ["a", "b"], "multi") == [
        {"label": "a", "precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2},
        {"label": "b", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1},
    ]


def test_per_class_at_thresholds() -> None:
    predictions = np.array([[0.9, 0.2], [0.8, 0.3], [0.1, 0.4]], dtype=np.float32)
    targets = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    first, second = per_class(predictions, targets, ["a", "b"], "multi", (0.85, 0.25))
    assert first == {"label": "a", "precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2} | {
        "threshold": 0.85
    }
    assert (second["precision"], second["recall"], second["threshold"]) == (0.5, 1.0, 0.25)


def test_per_class_of_boxes() -> None:
    at, far = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0)
    corners = np.array([at, far, far], dtype=np.float32)
    found = Detections(corners, np.array([0.9, 0.8, 0.1], np.float32), np.array([0, 0, 1]))
    first, second, third = per_class(objects([found]), objects([Boxes((at, far), (0, 1))]), "abc", "boxes", (0.5,))
    assert first == {"label": "a", "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1} | {
        "ap50": pytest.approx(1), "ap50_95": pytest.approx(1),
    }  # fmt: skip
    assert (second["recall"], second["ap50"]) == (0.0, pytest.approx(1))  # found, but below the threshold
    assert (third["support"], third["ap50"], third["ap50_95"]) == (0, None, None)


def test_confusion_is_scikit_learns(split) -> None:
    predictions, targets = split
    wanted = confusion_matrix(targets, predictions.argmax(axis=1), labels=range(4))
    assert confusion(predictions, targets, "abcd") == wanted.tolist()


def test_divide_by_nothing() -> None:
    assert divide(np.array([1.0, 2.0]), np.array([0.0, 4.0])).tolist() == [0.0, 0.5]
    assert np.isnan(divide(np.array([1.0]), np.array(0.0), empty=np.nan)).all()
