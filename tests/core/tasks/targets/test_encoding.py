"""Encoding raw labels: names, indices and values, and what is wrong with a row."""

from __future__ import annotations

from typing import Any

import pytest

from core.tasks.targets.encoding import LabelEncoder, ValueEncoder, label_name, natural
from core.tasks.targets.multi_label import MultiLabel
from core.tasks.targets.regression import Regression
from core.tasks.targets.single_label import SingleLabel
from core.tasks.task import Task


def encode(encoder: Any, *raw: object) -> Any:
    for each in raw:
        assert encoder.add(each) is None
    return encoder.finish()


def test_names_are_sorted_as_people_sort_them_and_targets_are_indices() -> None:
    encoded, complaints = encode(LabelEncoder(Task(), SingleLabel()), "class 10", "class 2", "class 10")
    assert encoded.labels == ("class 2", "class 10")
    assert [encoded[row] for row in range(3)] == [1, 0, 1]
    assert complaints == []


def test_given_names_keep_their_order_and_others_are_refused_with_the_nearest() -> None:
    encoder = LabelEncoder(Task(labels=["good", "bad"]), SingleLabel())
    assert encoder.add("god").code == "unknown_label"  # type: ignore[union-attr]
    assert "'good'" in encoder.add("god").cure  # type: ignore[union-attr]
    encoded, _ = encode(encoder, "bad", "good")
    assert encoded.labels == ("good", "bad")
    assert [encoded[row] for row in range(2)] == [1, 0]


def test_one_label_in_all_rows_is_a_problem_unless_several_are_given() -> None:
    for labels, problems in ((None, 1), (["good"], 1), (["good", "bad"], 0)):
        encoded, complaints = encode(LabelEncoder(Task(labels=labels), SingleLabel()), "good", "good")
        assert len(complaints) == problems
        assert [encoded[row] for row in range(2)] == [0, 0]


def test_several_labels_are_a_sorted_set_of_indices() -> None:
    encoded, _ = encode(LabelEncoder(Task(), MultiLabel(), several=True), ["b", "a", "b"], [], ["a"])
    assert [encoded[row] for row in range(3)] == [(0, 1), (), (0,)]
    issue = LabelEncoder(Task(), SingleLabel()).add(["a", "b"])
    assert issue is not None
    assert issue.code == "several_labels"


@pytest.mark.parametrize(
    ("raw", "code"),
    [(None, "missing_label"), ("", "missing_label"), ("null", "missing_label"), (float("nan"), "nan_label")],
)
def test_a_missing_label_is_an_issue_of_its_row(raw: object, code: str) -> None:
    for encoder in (LabelEncoder(Task(), SingleLabel()), ValueEncoder(Regression())):
        issue = encoder.add(raw)
        assert issue is not None
        assert issue.code == code


def test_values_are_numbers_or_their_texts() -> None:
    encoder = ValueEncoder(Regression())
    issues = [encoder.add(raw) for raw in ("much", float("inf"))]
    assert [issue and issue.code for issue in issues] == ["label_not_a_number", "infinite_label"]
    encoded, complaints = encode(encoder, "1.5", 2)
    assert [encoded[row] for row in range(2)] == [1.5, 2.0]
    assert complaints == []


def test_labels_that_are_all_the_same_are_a_complaint() -> None:
    _, complaints = encode(LabelEncoder(Task(), SingleLabel()), "good", "good")
    assert "'good'" in complaints[0][0]
    _, complaints = encode(ValueEncoder(Regression()), 2.0, 2.0)
    assert "every label is 2" in complaints[0][0]


@pytest.mark.parametrize(("raw", "name"), [(1.0, "1"), (1.5, "1.5"), (True, "true"), (0, "0"), (" a ", "a")])
def test_a_label_has_one_name_in_every_format(raw: object, name: str) -> None:
    assert label_name(raw) == name


def test_numbers_in_names_count_as_numbers() -> None:
    names = ["10", "2", "-1", "class 10", "class 2", "0"]
    assert sorted(names, key=natural) == ["-1", "0", "2", "10", "class 2", "class 10"]
