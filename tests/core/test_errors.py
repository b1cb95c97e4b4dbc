"""The messages of errors."""

from __future__ import annotations

import pytest

from core.errors import ConfigError, DataError, GraftError, NumericalError, Problem, RunError, nearest, unknown


def test_a_problem_names_its_place_its_origin_and_its_cure() -> None:
    text = str(Problem("train.epochs", "is too small.", "Use 1.", "the command line"))
    assert text == "train.epochs: is too small. (from the command line)\n    Use 1."
    assert str(Problem("", "is wrong.")) == "is wrong."


def test_a_report_counts_its_problems() -> None:
    assert ConfigError("one").report() == "The configuration is wrong:\n  one"
    report = DataError(Problem("a.csv:3", "is torn."), "two").report()
    assert report.startswith("The data cannot be used (2 problems):\n  a.csv:3: is torn.")


def test_every_error_is_a_graft_error() -> None:
    for error in (ConfigError("x"), DataError("x"), RunError("x"), NumericalError("x")):
        assert isinstance(error, GraftError)
        assert error.problems == (Problem("", "x"),)
    assert issubclass(NumericalError, RunError)


@pytest.mark.parametrize(
    ("name", "expected"), [("robeta", "roberta"), ("lst", "list"), ("epoch", "epochs"), ("zzz", None)]
)
def test_the_nearest_name(name: str, expected: str | None) -> None:
    assert nearest(name, ["roberta", "bert", "list", "plugins", "epochs"]) == expected


def test_an_unknown_name_is_reported_with_those_that_exist() -> None:
    message, cure = unknown("model", "robeta", ["roberta", "bert"])
    assert message == "there is no model 'robeta'."
    assert cure == "Did you mean 'roberta'? There are: bert, roberta."
    assert unknown("model", "x", [])[1] == "There are: none."
