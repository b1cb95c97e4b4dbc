"""LoRA on quantized weights: exact merging, what is saved, and what is refused before any download."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import graft_toy
import pytest
import torch
from decoder_samples import checkpoint, examples, load_request, predict, small_llama
from peft.utils.integrations import dequantize_module_weight

from core.config import validation as checking
from core.contracts.model import TrainingPlan
from core.errors import ConfigError
from plugins.methods import quantized_lora
from plugins.methods.lora import Lora8, Qlora
from plugins.text.plugin import Decoder, Encoder

pytest.importorskip("bitsandbytes")

ROWS = examples()[:9]


def adapted(method: Any, folder: Path) -> Any:
    """A model with an update that is not zero."""
    small_llama(hidden_size=64, layers=1).load(load_request()).save(folder)
    loader = Decoder(checkpoint=str(folder), max_length=32)
    model = method.apply(loader.load(load_request(weights=method.weights())), TrainingPlan(1, 1.0))
    torch.manual_seed(0)
    for name, parameter in model.module.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


@torch.no_grad()
def test_merging_is_exact_because_the_base_is_dequantized_first(tmp_path: Path) -> None:
    model = adapted(Qlora(rank=4), tmp_path)
    before = predict(model, ROWS)
    whole = model.module
    inner = model.inner
    inner.module = quantized_lora.merged(whole)
    assert not any("bit" in type(layer).__name__ for layer in inner.module.modules())
    torch.testing.assert_close(predict(inner, ROWS), before, atol=2e-6, rtol=0)
    inner.module = whole.merge_and_unload()  # peft's own: rounded to four bits once more
    assert (predict(inner, ROWS) - before).abs().max() > 1e-5


@torch.no_grad()
@pytest.mark.parametrize("method", [Qlora(rank=16), Qlora(rank=16, rslora=True), Lora8(rank=16)])
@pytest.mark.parametrize("architecture", ["llama", "bert", "gpt2"])
def test_loftq_starts_nearer_to_the_weights_that_were_quantized(architecture: str, method: Any, tmp_path: Path) -> None:
    """And training goes on from there; what is saved is reopened on the base, quantised again."""
    loader = stored(architecture, tmp_path / "base")
    method.init = "loftq"
    model = method.apply(loader.load(load_request(weights=method.weights())), TrainingPlan(1, 1.0))
    whole = loader.load(load_request()).module
    layers = {name: each for name, each in model.module.named_modules() if hasattr(each, "lora_A")}
    assert layers
    for name, layer in layers.items():
        kept = whole.get_submodule(name.removeprefix("base_model.model."))
        weights = kept.weight.T if type(kept).__name__ == "Conv1D" else kept.weight
        quantized = dequantize_module_weight(layer.base_layer)
        lost = (weights - quantized).norm()
        assert (weights - quantized - layer.get_delta_weight("default")).norm() < 0.8 * lost
    for parameter in (each for name, each in model.module.named_parameters() if "lora_B" in name):
        parameter.add_(0.1)
    before = predict(model, ROWS)
    model.save(tmp_path / "saved")
    again = method.reopen(loader, load_request(train=(), saved=tmp_path / "saved", weights=method.weights()))
    torch.testing.assert_close(predict(again, ROWS), before, atol=1e-6, rtol=0)


@torch.no_grad()
def test_loftq_leaves_layers_that_are_not_quantized_and_ranks_that_a_matrix_has_not(tmp_path: Path) -> None:
    small_llama(hidden_size=64, layers=1, attention_heads=8).load(load_request()).save(tmp_path / "base")
    loader = Decoder(checkpoint=str(tmp_path / "base"), max_length=32)
    method = Qlora(rank=80, init="loftq", targets=["q_proj", "v_proj"])
    loaded = loader.load(load_request(weights=method.weights()))
    odd = loaded.module.get_submodule("model.layers.0.self_attn.v_proj")
    plain: Any = torch.nn.Linear(64, 64, bias=False)
    loaded.module.set_submodule("model.layers.0.self_attn.v_proj", plain)
    assert type(odd) is not type(plain)
    model: Any = method.apply(loaded, TrainingPlan(1, 1.0))
    for name, beyond in (("q_proj", 64), ("v_proj", 0)):
        layer = model.module.base_model.model.model.layers[0].self_attn.get_submodule(name)
        down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        assert (down.abs().sum(1) > 0).all()  # every rank has a gradient
        assert (up[:, beyond:] == 0).all()
        assert (up[:, :beyond].abs().sum(0) > 0).all()


def stored(architecture: str, folder: Path) -> Any:
    """A loader of weights on disk whose sizes four bits allow."""
    if architecture == "gpt2":
        checkpoint(folder, architecture, hidden_size=64)
        return Decoder(checkpoint=str(folder), max_length=32)
    sizes: Any = {"hidden_size": 64, "layers": 2, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
    family: Any = Decoder if architecture == "llama" else Encoder
    family(init="scratch", architecture=architecture, **sizes).load(load_request()).save(folder)
    return family(checkpoint=str(folder), max_length=32)


def test_loftq_is_refused_where_weights_cannot_be_loaded_whole_again() -> None:
    with pytest.raises(ConfigError, match="cannot load its weights without quantization"):
        Qlora(init="loftq").apply(graft_toy.Toy().load(load_request()), TrainingPlan(1, 1.0))
    for other in ("pissa", "olora"):
        assert "needs full-precision weights" in refused(Qlora(init=other), device="cpu")


@torch.no_grad()
@pytest.mark.parametrize("method", [Qlora(rank=4), Lora8(rank=4)])
def test_of_gpt2_whose_weights_lie_transposed_so_do_the_merged(method: Any, tmp_path: Path) -> None:
    loader = stored("gpt2", tmp_path / "base")
    model = method.apply(loader.load(load_request(weights=method.weights())), TrainingPlan(1, 1.0))
    for name, parameter in model.module.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    before = predict(model, ROWS)
    method.merge(model).save(tmp_path / "whole")
    again = loader.reopen(load_request(train=(), saved=tmp_path / "whole"))
    atol = 2e-6 if method.name == "qlora" else 2e-2
    torch.testing.assert_close(predict(again, ROWS), before, atol=atol, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("method", [Qlora(rank=4), Lora8(rank=4)])
def test_a_merged_model_is_saved_in_full_and_opens_unquantized(method: Any, tmp_path: Path) -> None:
    model = adapted(method, tmp_path / "base")
    before = predict(model, ROWS)
    merged = method.merge(model)
    merged.save(tmp_path / "whole")
    assert "quantization_config" not in (tmp_path / "whole" / "config.json").read_text()
    again = Decoder(checkpoint=str(tmp_path / "base"), max_length=32).reopen(
        load_request(train=(), saved=tmp_path / "whole")
    )
    assert not any(hasattr(each, "quant_state") or hasattr(each, "SCB") for each in again.module.parameters())
    assert torch.equal(predict(again, ROWS), predict(merged, ROWS))
    atol = 2e-6 if method.name == "qlora" else 2e-2  # 8-bit products round what comes in, too
    torch.testing.assert_close(predict(again, ROWS), before, atol=atol, rtol=0)


@pytest.mark.parametrize("method", [Qlora(rank=4), Lora8(rank=4)])
def test_what_is_saved_is_the_adapter_and_the_head(method: Any, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    model = adapted(method, tmp_path / "base")
    model.save(tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved").rglob("*.safetensors")) == ["adapter_model.safetensors"]
    names = load_file(tmp_path / "saved" / "adapter_model.safetensors")
    assert all("lora_" in name or "score" in name for name in names)
    assert any("score" in name for name in names)
    loader = Decoder(checkpoint=str(tmp_path / "base"), max_length=32)
    again = method.reopen(loader, load_request(weights=method.weights(), train=(), saved=tmp_path / "saved"))
    assert torch.equal(predict(again, ROWS), predict(model, ROWS))


def refused(method: Any, **train: Any) -> str:
    """What `check` says of a run with this method."""
    config = graft_toy.config(method=method, model=Decoder(init="scratch", architecture="llama"))
    task, options = replace(config.task, type="text-classification"), replace(config.train, **train)
    config = replace(config, task=task, train=options)
    with pytest.raises(ConfigError) as caught:
        checking.check(config)
    return caught.value.report()


@pytest.mark.parametrize("method", [Qlora(), Lora8()])
def test_without_the_package_or_the_hardware_it_is_refused_with_what_would_do(
    method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no quantized kernels for Apple's GPUs" in refused(method, device="mps")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    monkeypatch.setattr(quantized_lora, "gpu_at_hand", lambda: False)
    said = refused(method)
    assert "no quantized kernels for this processor (riscv64)" in said
    assert "Use method=lora" in said
    real = checking.importlib.util.find_spec
    monkeypatch.setattr(
        checking.importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else real(name)
    )
    said = refused(method)
    assert "needs the package bitsandbytes" in said
    assert 'pip install "graft-tune[qlora]"' in said


def test_half_precision_on_a_cpu_is_refused() -> None:
    assert "float16 on a CPU" in refused(Qlora(compute_dtype="float16"), device="cpu")


def test_sizes_that_leave_nothing_to_quantize_are_refused() -> None:
    config = graft_toy.config(method=Qlora(), model=small_llama(hidden_size=48))
    config = replace(config, task=replace(config.task, type="text-classification"))
    with pytest.raises(ConfigError, match="48 leaves no layer to quantize"):
        checking.check(config)
    checking.check(replace(config, model=small_llama(hidden_size=64)))


def test_families_that_do_not_quantize_are_refused() -> None:
    config = graft_toy.config(method=Qlora(), model=graft_toy.Toy())
    with pytest.raises(ConfigError, match="toy does not list the submodules"):
        checking.check(config)
