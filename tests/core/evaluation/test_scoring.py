"""Scores of a split: streamed in its order, with intervals and baselines."""

from __future__ import annotations

import json
import math
from typing import Any

import graft_toy
import numpy as np
import pytest
from output_specs import output

from core.contracts.model import LoadRequest
from core.errors import Interrupted
from core.evaluation.bootstrap import Bootstrap
from core.evaluation.predict import predict, predict_batches
from core.evaluation.scoring import Scoring, evaluate, score
from core.runtime.hardware import Hardware
from core.tasks.task import Task
from plugins.metrics.classification import Accuracy, ConfusionMatrix, LogLoss

CPU = Hardware("cpu", "fp32")
LABELS = graft_toy.LABELS
SCORING = Scoring({"accuracy": Accuracy(), "log_loss": LogLoss(), "table": ConfusionMatrix()}, output(labels=LABELS))


@pytest.fixture(scope="module")
def ready() -> tuple[Any, Any, Any]:
    model = graft_toy.Toy().load(LoadRequest(output(labels=LABELS)))
    examples = graft_toy.Words(examples=30).load(Task(), 0).train
    return model, model.prepare(examples, False), model.request.output.targets_of(examples)


def evaluated(ready: tuple[Any, Any, Any], batch_size: int, **more: Any) -> Any:
    model, prepared, targets = ready
    return evaluate(predict_batches(model, prepared, CPU, batch_size), targets, SCORING, CPU, **more)


def test_predictions_come_in_the_order_of_the_split_for_any_batch_size(ready: tuple[Any, Any, Any]) -> None:
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


def test_a_signal_interrupts_it_between_two_batches(ready: tuple[Any, Any, Any]) -> None:
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


def scores_of(predictions: Any, targets: Any, values: Any = None, **more: Any) -> Any:
    bootstrap = Bootstrap(**{"resamples": 200} | more)
    return score(SCORING, predictions, targets, bootstrap, values)


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
