"""Configurations that are refused before any heavy import or download."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import graft_toy
import pytest

from core.config.compose import resolve
from core.config.validation import check
from core.contracts.components import RunConfig
from core.errors import ConfigError, Problem


def complaint(config: RunConfig) -> str:
    with pytest.raises(ConfigError) as caught:
        check(config)
    return caught.value.report()


def words(*overrides: str) -> str:
    return complaint(resolve(overrides))


def test_the_defaults_are_valid() -> None:
    check(resolve([]))
    check(graft_toy.config())


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("train.epochs=0", "train.epochs: 0.0 is too small; it must be greater than 0."),
        ("train.warmup=2", "train.warmup: 2.0 is too large; the largest value is 1."),
        ("train.schedule=linaer", "Did you mean 'linear'?"),
        ("train.class_weights=some", "train.class_weights: 'some' is not a value of this option."),
        ("model.init=scrach", "Did you mean 'scratch'?"),
        ("model.max_length=4", "model.max_length: 4 is too small; the smallest value is 8."),
        ("data.test_fraction=0.95", "data.test_fraction"),
        ("task.target=sinlge", "Did you mean 'single'?"),
        ("task.type=text-clasification", "Did you mean 'text-classification'?"),
        ("task.primary=f1_micro", "task.primary: this run has no metric 'f1_micro'."),
        ("train.label_smoothing=0.1", ""),
    ],
)
def test_values_outside_their_limits_and_combinations(override: str, expected: str) -> None:
    if expected:
        assert expected in words(override)
    else:
        check(resolve([override]))


def test_problems_are_reported_together() -> None:
    text = words("train.epochs=0", "train.warmup=2", "model.max_length=1", "task.primary=nope")
    assert "(4 problems)" in text


def test_a_metric_that_does_not_accept_the_target_is_refused_with_those_that_do() -> None:
    text = words("task=text_regression", "data.path=x.csv", "metrics=classification", "task.primary=accuracy")
    assert "metrics.accuracy: accuracy does not accept the target type 'regression'." in text
    assert "mae" in text
    assert "spearman" in text


def test_class_weights_of_a_regression_are_refused() -> None:
    text = words("task=text_regression", "data.path=x.csv", "train.class_weights=auto")
    assert "train.class_weights: does not apply to the target type regression (only to single, multi, tags)." in text


def test_given_weights_and_the_word_given_go_together() -> None:
    assert "go together" in words("train.class_weights=given")
    config = resolve([])
    config.train.given_class_weights = {"a": 1.0}
    assert "go together" in complaint(config)


def test_label_smoothing_is_for_single_labels() -> None:
    assert "train.label_smoothing" in words("task=text_multilabel", "data.path=x.csv", "train.label_smoothing=0.1")


def test_missing_data_options_are_reported() -> None:
    assert "data.path: is not given." in words("task=text_classification")


def test_a_missing_package_is_reported_with_the_command_that_installs_it() -> None:
    text = complaint(graft_toy.config(model=graft_toy.Needy()))
    assert "needs the package a_package_that_nobody_has, which is not installed." in text
    assert "pip install a-package-that-nobody-has" in text


@dataclass
class Elsewhere(graft_toy.Toy):
    """A loader for another task type."""

    name: ClassVar[str] = "elsewhere"
    task_types: ClassVar[tuple[str, ...]] = ("image-classification",)

    def check(self, config: RunConfig) -> list[Problem]:
        return [Problem("model.width", "is not to its liking.", "Use another.")]


def test_a_component_for_another_task_type_is_refused() -> None:
    text = complaint(graft_toy.config(model=Elsewhere()))
    assert (
        "model: elsewhere does not support the task type 'text-classification'; it supports image-classification."
        in text
    )
    assert "model.width: is not to its liking.\n    Use another." in text


def test_a_component_that_is_not_set_is_reported() -> None:
    assert "model: is not set." in complaint(RunConfig(data=graft_toy.Words(), method=graft_toy.Whole()))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"train__epochs": 3.0}, "train.epochs: does not apply to guess"),
        ({"train__ema": 0.9}, "train.ema: does not apply to guess"),
        ({"method": graft_toy.Whole()}, "method: whole cannot adapt guess"),
    ],
)
def test_a_model_without_gradients_takes_no_options_of_the_loop(changes: dict[str, Any], place: str) -> None:
    from plugins.methods.selective import Full

    config = graft_toy.config(model=graft_toy.Guess(), method=Full(), train=type(graft_toy.config().train)())
    check(config)
    for key, value in changes.items():
        part, _, name = key.partition("__")
        if name:
            setattr(getattr(config, part), name, value)
        else:
            config = replace(config, **{part: value})
    assert place in complaint(config)


def test_head_on_scratch_weights_is_refused() -> None:
    assert "head trains on the features of a frozen backbone" in words("method=head", "model.init=scratch")
