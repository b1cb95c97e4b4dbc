"""Options of splits: shares that leave nothing to train on are refused."""

from __future__ import annotations

import pytest

from core.contracts.splits import SplitOptions


def test_the_default_shares_leave_most_examples_for_training() -> None:
    assert list(SplitOptions().split_problems()) == []


@pytest.mark.parametrize(("val", "test"), [(0.5, 0.5), (0.8, 0.4)])
def test_shares_that_take_every_example_are_refused(val: float, test: float) -> None:
    (problem,) = SplitOptions(val_fraction=val, test_fraction=test).split_problems("data")
    assert problem.where == "data.test_fraction"
    assert f"{val + test:g}, which leaves nothing" in problem.message
    assert "less than 1" in problem.cure
