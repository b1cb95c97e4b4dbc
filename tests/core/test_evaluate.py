"""Evaluation: in order, streamed, with intervals and baselines."""

from __future__ import annotations

import json
import math
from typing import Any

import graft_toy
import numpy as np
import pytest

from core.contracts import Need, Task
from core.environment import Hardware
from core.errors import Interrupted
from core.evaluate import evaluate, score, simplest_baseline
from core.kinds import targets_of
from core.predicting import predict
from plugins.metrics.plugin import Accuracy, ConfusionMatrix, LogLoss

CPU = Hardware("cpu", "fp32")
LABELS = graft_toy.LABELS
METRICS = {"accuracy": Accuracy(), "log_loss": LogLoss(), "table": ConfusionMatrix()}


@pytest.fixture(scope="module")
def ready() -> tuple[Any, Any, Any]:
    model = graft_toy.Toy().load(Need(Task(), LABELS))
    examples = graft_toy.Words(examples=30).load(Task(), 0).train
    return model, model.prepare(examples, False), targets_of(examples, "single", 3)


def evaluated(ready: tuple[Any, Any, Any], batch_size: int, **more: Any) -> Any:
    model, prepared, targets = ready
    return evaluate(model, prepared, targets, METRICS, LABELS, "single", CPU, batch_size, **more)


def test_predictions_come_in_the_order_of_the_split_whatever_the_batch(ready: tuple[Any, Any, Any]) -> None:
    model, prepared, targets = ready
    one, many = evaluated(ready, 1), evaluated(ready, 7)
    assert one.predictions.shape == (30, 3)
    assert np.allclose(one.predictions, many.predictions, atol=1e-6)
    assert np.allclose(one.predictions, predict(model, prepared, CPU, 30), atol=1e-6)
    assert one.predictions.sum(axis=1) == pytest.approx(np.ones(30), abs=1e-5)
    share = float((one.predictions.argmax(axis=1) == targets).mean())
    assert many.scores["accuracy"] == pytest.approx(share)
    assert many.scores["log_loss"] == pytest.approx(one.scores["log_loss"], abs=1e-5)


def test_tables_are_kept_apart_from_scores(ready: tuple[Any, Any, Any]) -> None:
    found = evaluated(ready, 8)
    assert set(found.scores) == {"accuracy", "log_loss"}
    assert np.asarray(found.tables["table"]).sum() == 30


def test_the_module_is_put_back_into_training(ready: tuple[Any, Any, Any]) -> None:
    ready[0].module.train()
    evaluated(ready, 8)
    assert ready[0].module.training
    ready[0].module.eval()
    evaluated(ready, 8)
    assert not ready[0].module.training


def test_a_signal_breaks_it_off_between_two_batches(ready: tuple[Any, Any, Any]) -> None:
    done: list[int] = []

    def watch(count: int) -> None:
        done.append(count)
        if count >= 16:
            raise Interrupted

    ready[0].module.train()
    with pytest.raises(Interrupted):
        evaluated(ready, 8, watch=watch)
    assert done == [8, 16]
    assert ready[0].module.training


def scores_of(predictions: Any, targets: Any, **more: Any) -> Any:
    options = {"resamples": 200, "confidence": 0.95, "seed": 0} | more
    return score(METRICS, predictions, targets, LABELS, "single", **options)


def test_intervals_hold_the_score_and_come_from_stored_predictions() -> None:
    rng = np.random.default_rng(0)
    predictions = rng.dirichlet(np.ones(3), size=100).astype(np.float32)
    targets = rng.integers(0, 3, size=100)
    found = scores_of(predictions, targets)
    assert set(found) == {"accuracy", "log_loss"}
    for each in found.values():
        assert each.low < each.value < each.high
    wide, narrow = (scores_of(predictions, targets, confidence=level)["accuracy"] for level in (0.99, 0.5))
    assert wide.high - wide.low > narrow.high - narrow.low
    assert scores_of(predictions, targets) == found
    assert scores_of(predictions, targets, resamples=0)["accuracy"].low is None


def test_a_score_computed_already_is_kept_and_one_that_is_not_defined_has_no_interval() -> None:
    predictions, targets = np.full((6, 3), 1 / 3, dtype=np.float32), np.arange(6) % 3
    found = scores_of(predictions, targets, values={"accuracy": 0.25, "log_loss": math.nan})
    assert found["accuracy"].value == 0.25
    assert json.loads(json.dumps(found["log_loss"].to_json())) == {"value": None, "low": None, "high": None}


def test_the_simplest_peers() -> None:
    ((name, majority),) = simplest_baseline(np.array([0, 2, 2, 2]), 5, LABELS, "single").items()
    assert name == "majority"
    assert majority.shape == (5, 3)
    assert majority[0].tolist() == [0.25, 0.0, 0.75]
    ((name, mean),) = simplest_baseline(np.array([1.0, 3.0], dtype=np.float32), 2, (), "regression").items()
    assert (name, mean.tolist()) == ("mean", [2.0, 2.0])
    several = np.array([[1, 0, 0], [1, 1, 0]], dtype=np.float32)
    ((name, shares),) = simplest_baseline(several, 1, LABELS, "multi").items()
    assert (name, shares.tolist()) == ("label_frequency", [[1.0, 0.5, 0.0]])
