"""Options that save memory: they change nothing else, and are refused where they cannot work.

Covers: core/training/optimizer.py
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import decoder_samples
import graft_toy
import image_samples
import numpy as np
import pytest
import torch

from core.config.validation import check
from core.contracts.model import LoadedModel, TrainingPlan
from core.contracts.train_config import TrainConfig
from core.errors import ConfigError
from core.runtime.modules import training_mode
from core.training.optimizer import build_optimizer
from plugins.images.plugin import Timm
from plugins.methods.lora import Lora
from plugins.methods.selective import Full, Head
from plugins.text.plugin import Encoder

SIZES: Any = {"hidden_size": 16, "layers": 2, "attention_heads": 2, "vocabulary": 300, "max_length": 32}


def llama() -> LoadedModel:
    return decoder_samples.small_llama(hidden_size=64).load(decoder_samples.load_request())


def bert() -> LoadedModel:
    return Encoder(init="scratch", architecture="bert", **SIZES).load(decoder_samples.load_request())


def vit() -> LoadedModel:
    return Timm(init="scratch", scratch="test_vit", image_size=32).load(
        image_samples.load_request(image_samples.examples(8))
    )


def trained(load: Callable[[], LoadedModel], method: Any, frugal: bool, optimizer: str = "adamw") -> dict[str, Any]:
    """A few steps with dropout; the weights, and how many bytes autograd kept in the last of them."""
    model = load()
    if frugal:
        model.enable_gradient_checkpointing()
    torch.manual_seed(0)
    model = method.apply(model, TrainingPlan(3, 1.0))
    if hasattr(model, "use_fast_dropout"):
        model.use_fast_dropout()
    training_mode(model.module)
    options = replace(TrainConfig(), optimizer=optimizer)
    made = build_optimizer(model, method, options, 1e-2)
    examples = image_samples.examples(8) if load is vit else decoder_samples.examples()
    prepared = model.prepare(examples, True)
    batch = model.collate([prepared.fetch(i, 0, np.random.default_rng(i)) for i in range(8)])
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(1)
    for _ in range(3):
        kept.clear()
        watched = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        with watched, torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(batch).mean()
        loss.backward()
        made.step()
        made.zero_grad()
    weights = {name: p.detach().clone() for name, p in model.module.named_parameters()}
    return {"weights": weights, "kept": sum(kept.values()), "optimizer": made}


@pytest.mark.parametrize("method", [Full(), Lora(rank=2)], ids=lambda method: method.name)
@pytest.mark.parametrize("load", [llama, bert, vit])
def test_gradient_checkpointing_gives_the_same_weights_with_less_kept(load: Any, method: Any) -> None:
    plain, frugal = (trained(load, method, each) for each in (False, True))
    assert all(torch.equal(plain["weights"][name], frugal["weights"][name]) for name in plain["weights"])
    assert frugal["kept"] < 0.7 * plain["kept"]


def test_moments_in_8_bits_take_a_quarter_and_learn_alike() -> None:
    pytest.importorskip("bitsandbytes")
    plain, small = (trained(llama, Full(), False, optimizer) for optimizer in ("adamw", "adamw8bit"))
    name = "model.embed_tokens.weight"
    start = dict(llama().module.named_parameters())[name].detach()
    moved = [(each["weights"][name] - start).flatten() for each in (plain, small)]
    assert torch.nn.functional.cosine_similarity(moved[0], moved[1], dim=0) > 0.95
    sizes = []
    for each in (plain, small):
        (state,) = (state for p, state in each["optimizer"].state.items() if p.shape == start.shape and len(state) > 1)
        sizes.append(sum(v.nbytes for v in state.values() if isinstance(v, torch.Tensor) and v.numel() > 1))
    assert sizes[1] < 0.35 * sizes[0]


def refused(model: Any, method: Any, **train: Any) -> str:
    config = graft_toy.config(model=model, method=method)
    config = replace(config, train=replace(config.train, **train))
    with pytest.raises(ConfigError) as caught:
        check(config)
    return caught.value.report()


def test_what_cannot_be_saved_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(graft_toy.Toy(), graft_toy.Whole(), gradient_checkpointing=True)
    assert "train.gradient_checkpointing: toy cannot recompute activations" in said
    assert "train.micro_batch_size" in said
    said = refused(decoder_samples.small_llama(), Head(), gradient_checkpointing=True)
    assert "head trains on features that are computed once" in said
    assert "this run has none" in refused(graft_toy.Toy(), graft_toy.Whole(), optimizer="paged_adamw8bit", device="cpu")
    assert "Apple" in refused(graft_toy.Toy(), graft_toy.Whole(), optimizer="adamw8bit", device="mps")
    from core.config import validation as checking

    real = checking.importlib.util.find_spec
    monkeypatch.setattr(
        checking.importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else real(name)
    )
    said = refused(graft_toy.Toy(), graft_toy.Whole(), optimizer="adamw8bit", device="cpu")
    assert "adamw8bit needs the package bitsandbytes, which is not installed" in said
    assert 'pip install "graft-tune[qlora]"' in said


def test_a_network_that_cannot_recompute_activations_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = vit()
    monkeypatch.delattr(type(model.module), "set_grad_checkpointing")
    with pytest.raises(ConfigError, match="timm does not support gradient checkpointing for VisionTransformer"):
        model.enable_gradient_checkpointing()
