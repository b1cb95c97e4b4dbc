"""Options of training: defaults that follow from others, and values that are known once they are resolved."""

from __future__ import annotations

from core.contracts.train_config import ResolvedTrain, TrainConfig, eval_batch_size


def test_an_evaluation_takes_twice_the_batch_by_default() -> None:
    assert eval_batch_size(TrainConfig(batch_size=24)) == 48
    assert eval_batch_size(TrainConfig(batch_size=24, eval_batch_size=10)) == 10


def test_values_of_the_recipe_are_null_until_they_are_resolved() -> None:
    assert (TrainConfig().epochs, TrainConfig().learning_rate) == (None, None)
    resolved = ResolvedTrain()
    assert resolved.epochs > 0
    assert resolved.learning_rate > 0
