"""Options of splits: shares that leave nothing to train on are refused. Groups of examples fit the splits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.contracts.splits import SplitOptions, Splits
from core.errors import PluginError


def test_the_default_shares_leave_most_examples_for_training() -> None:
    assert list(SplitOptions().split_problems()) == []


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.5), (0.8, 0.4)])
def test_shares_that_take_every_example_are_refused(val: float, test: float) -> None:
    (problem,) = SplitOptions(val_fraction=val, test_fraction=test).split_problems("data")
    assert problem.where == "data.test_fraction"
    assert f"{val + test:g}, which leaves nothing" in problem.message
    assert "less than 1" in problem.cure


def splits(**groups: Any) -> Splits:
    """Splits of 3, 1 and 2 examples."""
    return Splits("abc", "d", "ef", ("x", "y"), "0" * 64, groups=groups or None)


def test_groups_of_splits_follow_each_other() -> None:
    made = splits(train=np.asarray([0, 1, 0]), val=np.asarray([2]), test=np.asarray([3, 1]))
    grouped = made.groups_of("test", "train")
    assert grouped is not None
    assert grouped.tolist() == [3, 1, 0, 1, 0]
    assert made.count_groups() == {"train": 2, "val": 1, "test": 2}


def test_splits_without_groups() -> None:
    assert splits().groups_of("train", "test") is None
    assert splits().count_groups() is None


@pytest.mark.parametrize("groups", [{"test": np.zeros(2)}, {"train": [0, 1], "val": [2], "test": [3, 3]}])
def test_groups_that_do_not_fit_the_splits_are_refused(groups: dict[str, Any]) -> None:
    with pytest.raises(PluginError, match=r"Splits\.groups: must have a number for each example"):
        splits(**groups)
