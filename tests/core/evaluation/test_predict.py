"""Predictions batch by batch: smaller batches where memory is short, and the difference between two models."""

from __future__ import annotations

from typing import Any

import graft_toy
import numpy as np
import pytest
import torch
from output_specs import output

from core.contracts.model import LoadRequest
from core.errors import RunError
from core.evaluation.predict import predict, predict_batches
from core.runtime.hardware import Hardware
from core.tasks.task import Task

CPU = Hardware("cpu", "fp32")
LABELS = graft_toy.LABELS


@pytest.fixture(scope="module")
def ready() -> tuple[Any, Any]:
    model = graft_toy.Toy().load(LoadRequest(output(labels=LABELS)))
    return model, model.prepare(graft_toy.Words(examples=30).load(Task(), 0).train, False)


class Cramped(graft_toy.ToyModel):
    """Runs out of memory above a number of examples."""

    room, tried = 3, ()

    def predict(self, batch: dict[str, Any]) -> Any:
        self.tried = (*self.tried, len(batch["bags"]))
        if len(batch["bags"]) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().predict(batch)


def test_predictions_do_not_depend_on_memory(ready: tuple[Any, Any]) -> None:
    cramped = Cramped(graft_toy.Toy(), LoadRequest(output(labels=LABELS)))
    model, prepared = ready
    cramped.module.load_state_dict(model.module.state_dict())
    cramped.module.train()
    assert np.allclose(predict(cramped, prepared, CPU, 16), predict(model, prepared, CPU, 16), atol=1e-6)
    assert cramped.tried == (16, 8, 4, *[2] * 15)
    assert cramped.module.training


def test_some_of_a_split_is_predicted_where_memory_is_short(ready: tuple[Any, Any]) -> None:
    cramped = Cramped(graft_toy.Toy(), LoadRequest(output(labels=LABELS)))
    chosen = np.arange(1, 30, 3)
    rows = [row for rows, _ in predict_batches(cramped, ready[1], CPU, 7, chosen) for row in rows]
    assert sorted(rows) == chosen.tolist()
    assert (np.diff(ready[1].lengths[rows]) <= 0).all()
    assert cramped.tried == (7, 3, 3, 3, 1)


def test_no_memory_for_one_example_ends_the_run(ready: tuple[Any, Any]) -> None:
    cramped = Cramped(graft_toy.Toy(), LoadRequest(output(labels=LABELS)))
    cramped.room = 0
    with pytest.raises(RunError, match="memory ran out while predicting a single example"):
        predict(cramped, ready[1], CPU, 8)


def test_other_errors_of_a_model_are_not_taken_for_it(ready: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(batch: Any) -> Any:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(ready[0], "predict", fail)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        predict(*ready, CPU, 8)
