"""Graft's conformance tests on each component, and tests of what is specific to Acme."""

from __future__ import annotations

from pathlib import Path

import pytest
from acme_graft.plugin import Anchor, Bag, NaiveBayes, QuadraticKappa, Tickets

from core import DataError, Task
from core.testing import check_data_adapter, check_method, check_metric, check_model_loader, check_plugin

ORDER = ["low", "normal", "high"]


def test_plugin() -> None:
    """The entry point is found, the import is light, and every component and preset is valid."""
    check_plugin("acme")


def test_tickets() -> None:
    """The tickets of the package, with labels in the order of the task."""
    splits = check_data_adapter(Tickets(), Task(labels=ORDER))
    assert splits.labels == ("low", "normal", "high")
    assert len(splits.train) + len(splits.val) + len(splits.test) == 72


def test_a_ticket_without_text_is_named(tmp_path: Path) -> None:
    """A bad row is reported with its place."""
    file = tmp_path / "mine.toml"
    file.write_text('[[ticket]]\ntext = ""\nurgency = "low"\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"mine\.toml:ticket 1"):
        Tickets(path=str(file)).load(Task(), seed=0)


@pytest.mark.parametrize("target", ["single", "multi"])
def test_bag(target: str, tmp_path: Path) -> None:
    """A model with gradients."""
    check_model_loader(Bag(width=8), tmp_path, target=target)


def test_naive_bayes(tmp_path: Path) -> None:
    """A model without gradients."""
    check_model_loader(NaiveBayes(), tmp_path)


def test_anchor(tmp_path: Path) -> None:
    """The method, on a model of this plugin."""
    check_method(Anchor(), Bag(width=8), tmp_path)


def test_kappa() -> None:
    """The metric and its own resampling."""
    check_metric(QuadraticKappa())
