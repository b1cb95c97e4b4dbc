"""Losses of target types with logits: the values of torch, one for each example, with class weights."""

from __future__ import annotations

import pytest
import torch
from output_specs import output
from torch.nn import functional

from core.tasks.targets.losses import (
    binary_cross_entropy,
    cross_entropy,
    per_example_loss,
    squared_error,
    to_predictions,
)

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0]])


def test_cross_entropy_of_each_example_is_scaled_by_the_weight_of_its_label() -> None:
    targets = torch.tensor([0, 2])
    plain = cross_entropy(LOGITS, targets, None, 0.0)
    assert torch.allclose(plain, -torch.log_softmax(LOGITS, dim=1)[torch.arange(2), targets])
    weighted = cross_entropy(LOGITS, targets, [2.0, 1.0, 0.5], 0.0)
    assert torch.allclose(weighted, plain * torch.tensor([2.0, 0.5]))


def test_label_smoothing_spreads_a_share_of_the_target() -> None:
    targets = torch.tensor([0, 2])
    logs = torch.log_softmax(LOGITS, dim=1)
    expected = 0.7 * -logs[torch.arange(2), targets] + 0.3 * -logs.mean(dim=1)
    assert torch.allclose(cross_entropy(LOGITS, targets, None, 0.3), expected)


def test_binary_cross_entropy_is_the_mean_over_labels() -> None:
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    plain = functional.binary_cross_entropy(torch.sigmoid(LOGITS), targets, reduction="none")
    assert torch.allclose(binary_cross_entropy(LOGITS, targets, None), plain.mean(dim=1), atol=1e-6)
    weights = torch.tensor([2.0, 3.0, 0.5])
    scaled = torch.where(targets > 0, plain * weights, plain).mean(dim=1)
    assert torch.allclose(binary_cross_entropy(LOGITS, targets, weights.tolist()), scaled, atol=1e-6)


def test_squared_error_takes_a_column_or_a_row() -> None:
    targets = torch.tensor([1.0, 3.0])
    for logits in (torch.tensor([[2.0], [0.0]]), torch.tensor([2.0, 0.0])):
        assert squared_error(logits, targets).tolist() == [1.0, 9.0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_losses_are_float32_whatever_the_precision_of_the_logits(dtype: torch.dtype) -> None:
    logits = LOGITS.to(dtype)
    assert cross_entropy(logits, torch.tensor([0, 2]), None, 0.0).dtype == torch.float32
    assert binary_cross_entropy(logits, torch.zeros(2, 3), None).dtype == torch.float32
    assert squared_error(logits[:, :1], torch.zeros(2)).dtype == torch.float32


def test_a_task_decides_which_loss_and_which_predictions_its_logits_give() -> None:
    single, multi = output("single", "abc"), output("multi", "abc")
    targets = torch.tensor([0, 2])
    assert torch.equal(per_example_loss(LOGITS, targets, single), cross_entropy(LOGITS, targets, None, 0.0))
    several = torch.zeros(2, 3)
    assert torch.equal(per_example_loss(LOGITS, several, multi), binary_cross_entropy(LOGITS, several, None))
    assert torch.allclose(to_predictions(LOGITS, single).sum(dim=1), torch.ones(2))
    assert torch.allclose(to_predictions(LOGITS, multi), torch.sigmoid(LOGITS))
