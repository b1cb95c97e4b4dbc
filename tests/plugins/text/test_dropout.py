"""The fast dropout: torch's distribution, repeatable, and without a trace in what is saved."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from plugins.text.dropout import FastDropout, drop, use_fast_dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.1, 0.5])
def test_distribution_and_gradient(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    hidden = torch.ones(301, 1001, dtype=dtype, requires_grad=True)
    dropped = drop(hidden, p)
    zeros = (dropped == 0).float().mean().item()
    assert abs(zeros - p) < 4 * (p * (1 - p) / hidden.numel()) ** 0.5
    torch.testing.assert_close(dropped.max(), torch.tensor(1 / (1 - p), dtype=dtype), atol=1e-2, rtol=0)
    dropped.sum().backward()
    assert hidden.grad is not None
    assert torch.equal(hidden.grad, dropped.detach())


def test_follows_the_global_generator() -> None:
    state = torch.random.get_rng_state()
    first = drop(torch.ones(1000), 0.3)
    second = drop(torch.ones(1000), 0.3)
    torch.random.set_rng_state(state)
    assert torch.equal(drop(torch.ones(1000), 0.3), first)
    assert not torch.equal(first, second)


def test_evaluation_is_the_identity() -> None:
    hidden = torch.randn(5)
    assert FastDropout(0.5).eval()(hidden) is hidden


def test_a_model_changes_only_in_its_masks() -> None:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    plain = BertForSequenceClassification(config).eval()
    fast = copy.deepcopy(plain)
    use_fast_dropout(fast)
    assert plain.state_dict().keys() == fast.state_dict().keys()
    assert "graft" not in str(fast.config.to_dict())
    assert not any(type(child) is nn.Dropout for child in fast.modules())
    ids = torch.randint(0, 50, (4, 9))
    mask = (torch.arange(9) < torch.tensor([[9], [5], [2], [7]])).long()
    torch.testing.assert_close(fast(ids, attention_mask=mask).logits, plain(ids, attention_mask=mask).logits)


@pytest.mark.parametrize("masked", [True, False])
def test_attention_agrees_with_torch_on_average(masked: bool) -> None:
    from plugins.text.dropout import attention

    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 2, 6, 4).unbind(0)
    mask = torch.ones(2, 1, 6, 6, dtype=torch.bool)
    mask[1, :, :, 4:] = False
    given = mask if masked else None
    wanted = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=given).transpose(1, 2)
    module = nn.Module()
    module.is_causal = False  # type: ignore[assignment]
    plain, _ = attention(module, query, key, value, given, is_causal=False)
    torch.testing.assert_close(plain, wanted)
    many = [each.repeat(1000, 1, 1, 1) for each in (query, key, value)]
    masks = given if given is None else given.repeat(1000, 1, 1, 1)
    mean = attention(module, *many, masks, dropout=0.1)[0].unflatten(0, (1000, 2)).mean(0)
    torch.testing.assert_close(mean, wanted, atol=0.1, rtol=0)
