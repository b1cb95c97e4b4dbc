"""Options and their limits."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import pytest

from core.contracts.train_config import TrainConfig
from core.options import limits, option, violations


@dataclass
class Sample:
    share: float = option(0.5, "A share.", low=0, high=1)
    rate: float | None = option(None, "A rate.", above=0)
    mode: str = option("fast", "A mode.", choices=("fast", "slow"))
    on: bool = option(True, "A switch.", low=5)
    plain: int = 3
    names: list[str] = option(None, "Names.", factory=list)
    other: dict[str, int] = field(default_factory=dict)


def messages(**values: object) -> list[str]:
    return [str(problem) for problem in violations(Sample(**values), "sample")]  # type: ignore[arg-type]


def test_defaults_and_values_at_the_limits_are_valid() -> None:
    assert messages() == []
    assert messages(share=0, rate=1e-9, mode="slow") == []
    assert messages(share=1.0, rate=None, on=False) == []  # a bool is not a number


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"share": 1.5}, "sample.share: 1.5 is too large; the largest value is 1."),
        ({"share": -1}, "sample.share: -1 is too small; the smallest value is 0."),
        ({"rate": 0.0}, "sample.rate: 0.0 is too small; it must be greater than 0."),
        ({"mode": "fsat"}, "Did you mean 'fast'? It is one of: fast, slow."),
        ({"share": float("nan")}, "sample.share"),
        ({"rate": float("nan")}, "sample.rate"),
    ],
)
def test_a_value_outside_its_limits_is_reported_with_them(values: dict[str, object], words: str) -> None:
    assert words in "\n".join(messages(**values))


def test_every_problem_is_reported() -> None:
    assert len(messages(share=2, rate=-1, mode="x")) == 3


def test_plain_fields_have_no_limits() -> None:
    assert limits(fields(Sample)[4]).help == ""
    assert Sample().names == []


def test_every_training_option_has_help_that_is_a_sentence() -> None:
    for each in fields(TrainConfig):
        assert limits(each).help.endswith("."), each.name
