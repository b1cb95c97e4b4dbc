"""A dry run: it describes the data and the training, and neither trains nor writes anything."""

from __future__ import annotations

from pathlib import Path

import graft_toy
import pytest

from core.errors import DataError
from core.runs.dry_run import inspect

pytestmark = pytest.mark.usefixtures("toy")


def test_it_describes_what_a_run_would_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = inspect(graft_toy.config(train__epochs=2, train__batch_size=16))
    assert {name: found["data"][name] for name in ("train", "val", "test")} == {"train": 60, "val": 18, "test": 18}
    assert found["data"]["labels"] == list(graft_toy.LABELS)
    assert found["weights"]["init"] == "scratch"
    assert found["device"] == "cpu, fp32"
    weights = graft_toy.BUCKETS * 8 + 8 + 8 * 3 + 3
    assert found["parameters"]["trainable"] == found["parameters"]["total"] == weights
    assert found["training"] == {"steps": 8, "epochs": 2, "learning_rate": 1e-2}
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_gradients_has_no_training_to_describe() -> None:
    found = inspect(graft_toy.config(model=graft_toy.Guess()))
    assert set(found) == {"data", "weights", "device"}


def test_data_that_cannot_be_used_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: graft_toy.Words, task: object, seed: int) -> None:
        raise DataError("the file is empty")

    monkeypatch.setattr(graft_toy.Words, "load", refuse)
    with pytest.raises(DataError, match="the file is empty"):
        inspect(graft_toy.config())
