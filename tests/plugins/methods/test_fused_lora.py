"""Fused LoRA layers against peft's: outputs, gradients, dropout, what is saved, and where they are not used."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import image_samples
import pytest
import torch
from decoder_samples import checkpoint, examples, load_request, predict, small_llama
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from core.contracts.model import TrainingPlan
from plugins.images.plugin import Timm
from plugins.methods.fused_lora import FusedLinear, fuse
from plugins.methods.lora import Lora
from plugins.text.plugin import Decoder, Encoder

ROWS = examples()[:9]
SIZES: Any = {"hidden_size": 64, "layers": 2, "attention_heads": 2, "vocabulary": 300, "max_length": 32}


def pair(dropout: float = 0.0, bias: bool = True) -> tuple[Any, Any]:
    """Two adapted layers with the same numbers and an update that is not zero: peft's and the fused one."""
    torch.manual_seed(0)
    plain: Any = get_peft_model(
        nn.Sequential(nn.Linear(24, 40, bias=bias)),  # type: ignore[arg-type]
        LoraConfig(r=4, lora_alpha=12, lora_dropout=dropout, target_modules=["0"]),
    )
    nn.init.normal_(plain.base_model.model[0].lora_B["default"].weight)
    fused = copy.deepcopy(plain)
    assert fuse(fused) == 1
    return plain.train(), fused.train()


def gradients(module: nn.Module, x: Tensor, precision: str) -> list[Tensor]:
    """The output, and the gradients of the input, A and B."""
    x = x.clone().requires_grad_()
    mixed = torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext()
    with mixed:
        out = module(x)
    (out.float() * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum().backward()
    assert x.grad is not None
    found = [parameter.grad for parameter in module.parameters() if parameter.requires_grad]
    return [out, x.grad, *(each for each in found if each is not None)]


@pytest.mark.parametrize("shape", [(5, 24), (3, 7, 24), (2, 3, 2, 24)])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients_are_those_of_pefts_layer(shape: tuple[int, ...], precision: str, bias: bool) -> None:
    plain, fused = pair(bias=bias)
    x = torch.randn(shape)
    theirs, ours = gradients(plain, x, precision), gradients(fused, x, precision)
    assert len(theirs) == len(ours) == 4
    for one, other in zip(theirs, ours, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        off = (one.float() - other.float()).abs().max() / one.float().abs().max()
        assert off < (1e-6 if precision == "fp32" else 0.02)


def test_in_half_precision_it_is_nearer_to_full_precision_than_pefts() -> None:
    plain, fused = pair()
    x = torch.randn(200, 24)
    exact = gradients(plain, x, "fp32")
    plain.zero_grad()
    errors = []
    for module in (fused, plain):
        half = gradients(module, x, "bf16")
        errors.append(sum(float((one.float() - two).detach().norm()) for one, two in zip(half, exact, strict=True)))
    assert errors[0] < errors[1]


def test_dropout_masks_the_updates_input_only_and_its_gradient_too() -> None:
    _, fused = pair(dropout=0.5)
    layer = fused.base_model.model[0]
    x = torch.randn(6, 24, requires_grad=True)
    torch.manual_seed(4)
    out = fused(x)
    torch.manual_seed(4)
    mask = nn.functional.dropout(torch.ones_like(x), 0.5)
    assert set(mask.unique().tolist()) == {0.0, 2.0}
    update = layer.get_delta_weight("default")
    torch.testing.assert_close(out, layer.base_layer(x) + (mask * x) @ update.T)
    out.sum().backward()
    torch.testing.assert_close(x.grad, layer.base_layer.weight.sum(0) + mask * update.sum(0))


def test_in_evaluation_merged_and_switched_off_it_is_pefts_layer() -> None:
    plain, fused = pair(dropout=0.5)
    x = torch.randn(6, 24)
    assert torch.equal(fused.eval()(x), plain.eval()(x))
    fused.train()
    with fused.disable_adapter(), plain.train().disable_adapter():
        assert torch.equal(fused(x), plain(x))
    fused.merge_adapter()
    plain.merge_adapter()
    assert torch.equal(fused(x), plain(x))
    fused.unmerge_adapter()
    assert type(fused.merge_and_unload()[0]) is nn.Linear


def test_a_weight_that_changes_is_cast_again() -> None:
    _, fused = pair()
    x = torch.randn(6, 24)
    with torch.autocast("cpu", torch.bfloat16):
        before = fused(x)
        cast = fused.base_model.model[0]._cast["weight"][1]
        fused(x)
        assert fused.base_model.model[0]._cast["weight"][1] is cast
        with torch.no_grad():
            fused.base_model.model[0].base_layer.weight.mul_(2)
        assert not torch.equal(fused(x), before)
    assert "_cast" not in "".join(fused.state_dict())


CASES: dict[str, tuple[Any, Lora, bool]] = {
    "encoder": (Encoder(init="scratch", architecture="bert", **SIZES), Lora(rank=2), True),
    "decoder": (small_llama(), Lora(rank=2, rslora=True), True),
    "pissa": (small_llama(), Lora(rank=2, init="pissa"), True),
    "olora": (small_llama(), Lora(rank=2, init="olora"), True),
    "dora": (small_llama(), Lora(rank=2, dora=True), False),
    "not asked": (small_llama(), Lora(rank=2, fused=False), False),
}


@pytest.mark.parametrize("name", CASES)
def test_which_layers_are_fused_and_that_they_learn_and_open_again(name: str, tmp_path: Path) -> None:
    loader, method, fused = CASES[name]
    model = method.apply(loader.load(load_request()), TrainingPlan(1, 1.0))
    layers = [each for each in model.module.modules() if hasattr(each, "lora_A")]
    assert layers
    assert all((type(each) is FusedLinear) == fused for each in layers)
    prepared = model.prepare(ROWS, True)
    batch = model.collate([prepared.fetch(row, 0, None) for row in range(len(ROWS))])
    optimizer = torch.optim.AdamW([p for p in model.module.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    model.module.train()
    for _ in range(40):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(batch).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert min(losses[-5:]) < losses[0] - 0.1
    before = predict(model, ROWS)
    model.save(tmp_path)
    again = method.reopen(loader, load_request(train=(), saved=tmp_path))
    torch.testing.assert_close(predict(again, ROWS), before, atol=1e-5, rtol=0)


def test_convolutions_quantized_layers_and_those_the_other_way_round_are_left_to_peft(tmp_path: Path) -> None:
    resnet = Timm(init="scratch", scratch="test_resnet", image_size=32).load(
        image_samples.load_request(image_samples.examples(6))
    )
    gpt2 = Decoder(checkpoint=str(checkpoint(tmp_path, "gpt2")), max_length=32).load(load_request())
    for model in (resnet, gpt2):
        adapted = Lora(rank=2).apply(model, TrainingPlan(1, 1.0))
        assert any(hasattr(each, "lora_A") for each in adapted.module.modules())
        assert not any(type(each) is FusedLinear for each in adapted.module.modules())
