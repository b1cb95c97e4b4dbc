"""Schedules, clipping, parameter groups and the moving average.

Covers: core/training/ema.py
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import graft_toy
import image_samples
import pytest
import torch
from output_specs import output
from torch import nn

from core.contracts.model import LoadedModel, LoadRequest, ParamGroup, TrainingPlan
from core.contracts.train_config import TrainConfig
from core.runtime.modules import load_trainable, trainable_state, training_mode
from core.training.ema import Average
from core.training.optimizer import build_optimizer, clip_gradients, schedule, set_learning_rate
from plugins.images.plugin import Timm
from plugins.methods.lora import Lora
from plugins.methods.selective import Freeze, Full, Head


def rates(name: str, total: int = 10, warmup: float = 0.2) -> list[float]:
    return [schedule(step, total, warmup, name) for step in range(total)]


def test_schedules_rise_then_fall_as_they_say() -> None:
    linear, cosine, constant = (rates(name) for name in ("linear", "cosine", "constant"))
    for each in (linear, cosine, constant):
        assert 0 < each[0] < each[1] < each[2] == 1.0
    assert constant[2:] == [1.0] * 8
    assert linear[2:] == pytest.approx([1 - k / 8 for k in range(8)])
    assert cosine[6] == pytest.approx(0.5)
    assert linear[-1] > 0
    assert cosine[-1] > 0
    assert all(a > b for a, b in pairwise(cosine[2:]))


def test_no_warm_up_starts_at_the_peak() -> None:
    for name in ("linear", "cosine", "constant"):
        assert rates(name, warmup=0.0)[0] == 1.0
        assert rates(name, total=1, warmup=0.0) == [1.0]
    assert 0 < rates("linear", total=1, warmup=0.06)[0] <= 1


def parameters(*gradients: list[float]) -> list[torch.Tensor]:
    made = [nn.Parameter(torch.zeros(len(each))) for each in gradients]
    for parameter, gradient in zip(made, gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
    return list(made)


@pytest.mark.parametrize("on_cpu", [True, False])
def test_clipping_scales_what_is_too_long_and_leaves_the_rest(on_cpu: bool) -> None:
    long = parameters([3.0], [4.0])
    assert clip_gradients(long, 1.0, on_cpu) == pytest.approx(5.0)
    assert [float(each.grad) for each in long] == pytest.approx([0.6, 0.8], abs=1e-5)
    short = parameters([0.3], [0.4])
    assert clip_gradients(short, 1.0, on_cpu) == pytest.approx(0.5)
    assert [float(each.grad) for each in short] == pytest.approx([0.3, 0.4])
    unlimited = parameters([30.0], [40.0])
    assert clip_gradients(unlimited, 0.0, on_cpu) == pytest.approx(50.0)
    assert [float(each.grad) for each in unlimited] == pytest.approx([30.0, 40.0])


def loaded() -> LoadedModel:
    return graft_toy.Toy().load(LoadRequest(output(labels=graft_toy.LABELS)))


def test_biases_do_not_decay_and_what_is_frozen_is_left_out() -> None:
    model = loaded()
    model.module.get_submodule("body").requires_grad_(False)
    optimizer = build_optimizer(model, graft_toy.Whole(), TrainConfig(weight_decay=0.1), 1e-3)
    groups = {len(group["params"][0].shape): group["weight_decay"] for group in optimizer.param_groups}
    assert groups == {2: 0.1, 1: 0.0}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 2


class Layered(graft_toy.Whole):
    def param_groups(self, model: LoadedModel, lr: float) -> list[ParamGroup]:
        return [ParamGroup(["body.weight", "body.bias"], lr / 10), ParamGroup(["head.weight"], lr, weight_decay=0.5)]

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        return model


def test_a_method_may_give_groups_with_rates_of_their_own() -> None:
    optimizer = build_optimizer(loaded(), Layered(), TrainConfig(weight_decay=0.1), 1e-3)
    set_learning_rate(optimizer, 0.5)
    found = [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
    assert found == [(pytest.approx(5e-5), 0.1), (pytest.approx(5e-5), 0.0), (pytest.approx(5e-4), 0.5)]


def test_the_average_follows_the_weights_and_changes_places_with_them() -> None:
    module = nn.BatchNorm1d(2)
    average = Average(module, decay=0.5)
    with torch.no_grad():
        module.weight.fill_(3.0)
        module.num_batches_tracked.fill_(7)
    average.update(100)  # by then the decay is the one asked for
    assert average.state["weight"].tolist() == [2.0, 2.0]
    assert average.state["num_batches_tracked"] == 7
    average.swap()
    assert module.weight.tolist() == [2.0, 2.0]
    average.swap()
    assert module.weight.tolist() == [3.0, 3.0]


def test_the_average_forgets_its_start_soon() -> None:
    module = nn.Linear(1, 1)
    average = Average(module, decay=0.999)
    with torch.no_grad():
        module.weight.fill_(1.0)
    for step in range(1, 60):
        average.update(step)
    assert float(average.state["weight"]) == pytest.approx(1.0, abs=1e-3)


def test_trainable_state_is_what_training_changes() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    module[0].requires_grad_(False)
    state = {name: value.clone() for name, value in trainable_state(module).items()}
    assert "0.weight" not in state
    assert {"1.weight", "1.running_mean"} <= set(state)
    with torch.no_grad():
        module[1].running_mean.fill_(9.0)
    load_trainable(module, state)
    assert module[1].running_mean.tolist() == [0.0, 0.0]


def statistics(module: nn.Module) -> dict[str, torch.Tensor]:
    """Running means and variances by name, with or without wrappers."""
    buffers = {name.replace("base_model.model.", ""): value for name, value in module.named_buffers()}
    return {name: value.clone() for name, value in buffers.items() if "running_" in name}


@pytest.mark.parametrize(
    ("method", "moving"),
    [
        (Head(), ()),
        (Lora(rank=2), ()),
        (Freeze(layers=1), ("layer4.",)),
        (Freeze(layers=2), ("layer3.", "layer4.")),
        (Full(), ("conv1.", "bn1.", "layer")),
    ],
    ids=["head", "lora", "freeze-1", "freeze-2", "full"],
)
def test_statistics_of_norms_move_only_where_their_weights_train(method: Any, moving: tuple[str, ...]) -> None:
    examples = image_samples.examples(8)
    loader = Timm(init="scratch", scratch="test_resnet", image_size=32, augment="light")
    model = method.apply(loader.load(image_samples.load_request(examples)), TrainingPlan(2, 1.0, augmented=True))
    before = statistics(model.module)
    assert len(before) > 10
    optimizer = build_optimizer(model, method, TrainConfig(), 1e-2)
    prepared = model.prepare(examples, False)
    batch = model.collate([prepared.fetch(row, 0, None) for row in range(len(examples))])
    training_mode(model.module)
    for _ in range(2):
        torch.autograd.backward(model.loss(batch).mean())
        optimizer.step()
        optimizer.zero_grad()
    after = statistics(model.module)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name in before if name.startswith(moving or "nothing")}


def test_training_mode_puts_back_what_evaluation_had_changed() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Dropout(), nn.BatchNorm2d(2))
    module[1].requires_grad_(False)
    module.eval()
    training_mode(module)
    assert [layer.training for layer in module] == [True, False, True, True]
