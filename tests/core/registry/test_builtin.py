"""The plugin of core announces the default optimizer; plugins announce others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import graft_toy
import pytest
import torch
from output_specs import output

from core.config.validation import check
from core.contracts.components import Optimizer
from core.contracts.model import LoadRequest
from core.contracts.train_config import TrainConfig
from core.errors import ConfigError
from core.registry.registry import load_registry
from core.training.memory_estimate import TrainingMemory
from core.training.optimizer import build_optimizer


@dataclass
class Plain(Optimizer):
    """Gradient descent without any state."""

    name: ClassVar[str] = "plain"
    state_bytes: ClassVar[float] = 0.0

    def build(self, groups: list[dict[str, Any]], lr: float, betas: tuple[float, float]) -> torch.optim.Optimizer:
        return torch.optim.SGD(groups, lr=lr)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(load_registry().components["optimizer"], "plain", Plain)
    monkeypatch.setitem(load_registry().owners["optimizer"], "plain", "someone")


def test_core_announces_adamw_and_the_methods_announce_the_others() -> None:
    owners = load_registry().owners["optimizer"]
    assert owners["adamw"] == "core"
    assert {owners["adamw8bit"], owners["paged_adamw8bit"]} == {"methods"}


def test_a_misspelled_optimizer_is_refused_with_the_nearest_name() -> None:
    config = graft_toy.config(model=graft_toy.Toy(), method=graft_toy.Whole())
    with pytest.raises(ConfigError, match="adamw8bit") as caught:
        check(replace(config, train=replace(config.train, optimizer="adamw8bits")))
    assert [problem.where for problem in caught.value.problems] == ["train.optimizer"]


@pytest.mark.usefixtures("plain")
def test_an_optimizer_of_a_plugin_trains_and_is_estimated() -> None:
    config = graft_toy.config(model=graft_toy.Toy(), method=graft_toy.Whole())
    check(replace(config, train=replace(config.train, optimizer="plain")))
    model = graft_toy.Toy().load(LoadRequest(output(labels=graft_toy.LABELS)))
    made = build_optimizer(model, graft_toy.Whole(), TrainConfig(optimizer="plain", weight_decay=0.1), 1e-2)
    assert isinstance(made, torch.optim.SGD)
    assert {group["weight_decay"] for group in made.param_groups} == {0.0, 0.1}
    assert all(group["peak_lr"] == 1e-2 for group in made.param_groups)
    estimates = [TrainingMemory.of(TrainConfig(optimizer=name), 8.0, 4.0, 1.0, None) for name in ("plain", "adamw")]
    assert [each.optimizer for each in estimates] == [0.0, 8.0]
