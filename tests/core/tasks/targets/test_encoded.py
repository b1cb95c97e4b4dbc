"""Encoded targets: counted, selected and grouped into strata without an example in memory."""

from __future__ import annotations

import numpy as np

from core.tasks.targets.encoded import Encoded, objects
from core.tasks.targets.multi_label import MultiLabel
from core.tasks.targets.regression import Regression

SETS = Encoded(("a", "b", "c"), np.array([0, 1, 0, 2]), MultiLabel(), ((0,), (0, 2), ()))


def test_labels_are_counted_over_some_rows() -> None:
    assert SETS.counts(np.array([True, True, True, True])).tolist() == [3, 0, 1]
    assert SETS.counts(np.array([False, True, False, True])).tolist() == [1, 0, 1]


def test_rows_that_have_one_of_some_labels() -> None:
    assert SETS.having([2]).tolist() == [False, True, False, False]
    assert SETS.having([0, 2]).tolist() == [True, True, True, False]
    assert not SETS.having([1]).any()


def test_equal_targets_share_a_stratum_and_rows_can_be_taken() -> None:
    strata = SETS.strata()
    assert strata[0] == strata[2]
    assert len(set(strata.tolist())) == 3
    taken = SETS.take(np.array([3, 1]))
    assert [taken[row] for row in range(len(taken))] == [(), (0, 2)]


def test_values_are_kept_in_double_precision_and_stratified_by_decile() -> None:
    values = Encoded((), 1.7e9 + np.arange(100, dtype=np.float64), Regression())
    assert values[7] == 1_700_000_007.0
    assert np.bincount(values.strata()).tolist() == [10] * 10


def test_arrays_of_equal_length_stay_one_object_each() -> None:
    values = [np.zeros((2, 3)), np.ones((2, 3))]
    array = objects(values)
    assert array.shape == (2,)
    assert array[1] is values[1]
    assert objects([]).shape == (0,)
