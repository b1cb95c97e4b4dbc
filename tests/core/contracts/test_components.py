"""Contracts of components: what a component does that implements no more than it must.

Covers: core/contracts/footprint.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import graft_toy
import pytest

from core.contracts.components import AdapterMethod, DataAdapter
from core.contracts.footprint import Footprint
from core.errors import DataError
from core.tasks.task import Task

SIZES = Footprint(parameters=100, linear=80, head=6, adapted=40, layers=2, width=4, kept=10, pairs=0, tokens=8)


@dataclass
class Fixed(DataAdapter):
    """Give the same splits each time."""

    name: ClassVar[str] = "fixed"

    def load(self, task: Task, seed: int) -> Any:
        raise NotImplementedError


def test_an_adapter_of_labeled_examples_alone_says_so_to_predict() -> None:
    with pytest.raises(DataError, match=r"data=fixed .*unlabel"):
        Fixed().unlabelled(Task(), Path("texts.txt"))


def test_a_loader_offers_gradients_and_knows_neither_sizes_nor_baselines() -> None:
    loader, config = graft_toy.Toy(), graft_toy.config()
    assert loader.capabilities == {"gradients"}
    assert loader.footprint(config, 3) is None
    assert loader.baselines(None, []) == {}  # type: ignore[arg-type]
    assert not loader.from_scratch
    assert list(loader.check(config)) == []


def test_a_method_needs_gradients_keeps_no_state_and_estimates_nothing() -> None:
    method: AdapterMethod = graft_toy.Whole()
    assert set(method.needs) == {"gradients"}
    assert method.weights() is None
    assert not method.additive()
    assert method.trainable(SIZES) is None
    assert method.state_dict() == {}


def test_sizes_of_a_network_keep_full_precision_by_default() -> None:
    assert not SIZES.halves
