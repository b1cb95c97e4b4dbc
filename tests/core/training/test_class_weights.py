"""Class weights from counts, for one label per example and for several."""

from __future__ import annotations

from typing import Any

import graft_toy
import numpy as np
import pytest
from output_specs import output

from core.contracts.splits import Splits
from core.errors import ConfigError
from core.tasks.text import TextExample
from core.training.class_weights import class_weights, example_weights

LABELS = ("calm", "fine", "wild")
SINGLE, MULTI = output("single", LABELS), output("multi", LABELS)


def split_with(targets: list[Any]) -> Splits:
    """Return splits whose training examples have these targets."""
    examples = [TextExample(f"text {row}", target, place=f"t:{row}") for row, target in enumerate(targets)]
    return Splits(examples, examples, examples, LABELS, "0" * 64)


def test_auto_weighs_a_label_by_the_inverse_of_its_count() -> None:
    config, splits = graft_toy.config(train__class_weights="auto"), split_with([0] * 6 + [1] * 3 + [2])
    weights = class_weights(config, splits, SINGLE)
    assert weights == pytest.approx((10 / 18, 10 / 9, 10 / 3))
    of_examples = example_weights(config, splits, SINGLE)
    assert of_examples is not None
    np.testing.assert_allclose(of_examples, [weights[row] for row in [0] * 6 + [1] * 3 + [2]], rtol=1e-6)
    assert of_examples.mean() == pytest.approx(1.0)


def test_auto_weighs_one_of_several_labels_by_the_examples_without_it() -> None:
    config = graft_toy.config(train__class_weights="auto", task__target="multi")
    assert class_weights(config, split_with([(0,), (0, 1), (0, 2), (1,)]), MULTI) == pytest.approx((1 / 3, 1.0, 3.0))


def test_none_weighs_nothing() -> None:
    assert class_weights(graft_toy.config(), split_with([0, 1, 2]), SINGLE) is None


def test_examples_with_several_labels_have_no_weight_of_their_own() -> None:
    config = graft_toy.config(train__class_weights="auto", task__target="multi")
    with pytest.raises(ConfigError, match="cannot weight examples of the target type multi"):
        example_weights(config, split_with([(0,), (0, 1), (0, 2), (1,)]), MULTI)
