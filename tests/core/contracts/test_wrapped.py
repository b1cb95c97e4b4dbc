"""A wrapped model keeps everything of the inner model, also with third-party wrappers.

Covers: core/contracts/protocols.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import graft_toy
import pytest
import torch
from output_specs import output
from torch import Tensor, nn

from core.contracts.model import LoadedModel, LoadRequest, TrainingPlan
from core.contracts.protocols import SupportsFastDropout, SupportsFeatures, SupportsPreview
from core.contracts.wrapped import CAPABILITIES, WrappedModel
from core.runs.adapt import adapt, count_parameters, resolve_train
from core.runtime.hardware import Hardware
from core.tasks.task import Task


class Able(graft_toy.ToyModel):
    """A toy with optional capabilities."""

    fast = 0

    def use_fast_dropout(self) -> None:
        self.fast += 1

    def features(self, batch: dict[str, Tensor]) -> Tensor:
        return torch.zeros(1)

    def head(self, features: Tensor) -> Tensor:
        return features

    def head_loss(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        return logits

    def head_predict(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        return logits

    def parameter_elements(self, parameter: Tensor) -> int:
        return 2 * parameter.numel()


class Twice(WrappedModel):
    """Counts each loss twice."""

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        return 2 * self.inner.loss(batch)


class Blind(Twice):
    """As Twice, without features."""

    withdrawn: ClassVar[tuple[type, ...]] = (SupportsFeatures,)


class Wrapping(graft_toy.Whole):
    """A third party's method."""

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        return Twice(super().apply(model, plan))


@pytest.fixture
def able() -> Able:
    model: Any = graft_toy.Toy().load(LoadRequest(output(labels=graft_toy.LABELS)))
    model.__class__ = Able
    assert isinstance(model, Able)
    return model


def test_every_attribute_is_delegated(able: Able) -> None:
    model = Twice(able)
    for name in LoadedModel.__annotations__:
        value = object()
        setattr(model, name, value)
        assert getattr(able, name) is value, name
    able.module = nn.Linear(1, 1)
    assert model.module is able.module


def test_every_method_is_delegated() -> None:
    own = {"unwrapped"}  # what is saved is the wrapper, whose `save` is the inner model's
    methods = {name for name, value in vars(LoadedModel).items() if callable(value) and not name.startswith("_")}
    assert methods - own <= set(vars(WrappedModel))


def test_capabilities_are_those_of_the_inner_model_except_withdrawn_ones(able: Able) -> None:
    held = {SupportsFeatures, SupportsFastDropout}
    assert {each for each in CAPABILITIES if isinstance(Twice(able), each)} == held
    assert {each for each in CAPABILITIES if isinstance(Twice(Twice(able)), each)} == held
    assert {each for each in CAPABILITIES if isinstance(Blind(able), each)} == {SupportsFastDropout}
    assert not isinstance(Twice(able), SupportsPreview)
    assert count_parameters(Twice(able))["total"] == 2 * count_parameters(Twice(able))["trainable"]


def test_what_is_overridden_stays_overridden(able: Able, tmp_path: Path) -> None:
    able.module.eval()
    prepared = able.prepare(graft_toy.Words().load(Task(), 0).train, True)
    batch = able.collate([prepared.fetch(index, 0, None) for index in range(2)])
    model = Twice(able)
    assert torch.equal(model.loss(batch), 2 * able.loss(batch))
    model.save(tmp_path / "saved")
    assert any((tmp_path / "saved").iterdir())


def test_a_third_partys_wrapper_keeps_fast_dropout(able: Able) -> None:
    for fast, calls in ((False, 0), (True, 2)):  # before the method is applied, and after it
        config = graft_toy.config(method=Wrapping(), train__fast_dropout=fast)
        adapt(resolve_train(config, able), Hardware("cpu", "fp32"), able, 4)
        assert able.fast == calls
