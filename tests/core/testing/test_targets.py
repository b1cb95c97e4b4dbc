"""The kit's check of target types: it passes the built-in ones and names the broken rule of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.tasks.detection.target import BoxesTarget
from core.tasks.targets.multi_label import MultiLabel
from core.tasks.targets.regression import Regression
from core.tasks.targets.single_label import SingleLabel
from core.tasks.targets.target import ResultTable
from core.testing.targets import check_target_type


@pytest.mark.parametrize(
    "target", [SingleLabel(), MultiLabel(), Regression(), BoxesTarget()], ids=lambda each: each.name
)
def test_a_built_in_target_type_passes(target: Any) -> None:
    check_target_type(target)


def broken(**methods: Any) -> SingleLabel:
    made: SingleLabel = type("Broken", (SingleLabel,), methods)()
    return made


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (broken(samples=lambda self, n, labels: [0]), "must return 60 targets"),
        (broken(labels_of=lambda self, target: (99,)), "returns 99"),
        (broken(target_problem=lambda self, *_: ""), "must say what is wrong"),
        (broken(strata=lambda self, targets: np.zeros(3)), "`strata` must return an int64 array"),
        (broken(train_options=frozenset({"epochs"})), "not epochs"),
        (broken(difference=lambda self, one, other: 0.0), "two different random predictions must be above 0"),
        (broken(tables=lambda self, *_: {"scores": ResultTable([], "Scores")}), "has the name of an entry"),
    ],
)
def test_a_target_type_that_breaks_a_rule(target: SingleLabel, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_target_type(target)
