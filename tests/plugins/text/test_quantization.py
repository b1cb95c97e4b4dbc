"""Base weights in 4 and 8 bits: what is quantized, how large it is, and that training on it is correct."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from decoder_samples import bare_tokenizer, batch, examples, load_request, predict, small_llama
from torch import nn

from core.contracts.model import QuantizationConfig
from core.errors import WeightsError
from plugins.text.plugin import Decoder, Encoder

bnb = pytest.importorskip("bitsandbytes")

NF4 = QuantizationConfig(4, "nf4", True, "auto", "bitsandbytes")
INT8 = QuantizationConfig(8, "int8", False, "auto", "bitsandbytes")
ROWS = examples()[:9]
QUANTIZED = (bnb.nn.Linear4bit, bnb.nn.Linear8bitLt)


def layer_classes(model: Any) -> dict[str, str]:
    """Which class each linear layer is of."""
    return {name: type(layer).__name__ for name, layer in model.module.named_modules() if isinstance(layer, nn.Linear)}


@pytest.mark.parametrize(("plan", "size"), [(NF4, 0.27), (INT8, 0.51)])
def test_the_body_is_quantized_and_the_head_is_not(plan: QuantizationConfig, size: float) -> None:
    """At a width of 512: at most 0.27 of their size in bf16, measured; embeddings stay as they are."""
    model = small_llama(hidden_size=512, layers=1).load(load_request(weights=plan))
    found = layer_classes(model)
    assert found.pop("score") == "Linear"
    assert model.module.score.weight.dtype == torch.float32
    assert len(found) == 7
    assert set(found.values()) == {"Linear4bit" if plan is NF4 else "Linear8bitLt"}
    weights = model.base_weights
    plain = sum(
        layer.in_features * layer.out_features for layer in model.module.modules() if isinstance(layer, QUANTIZED)
    )
    assert weights["quantised_bf16_bytes"] == 2 * plain
    assert plan.bits / 16 < weights["quantised_ratio"] <= size
    assert weights["quantised_ratio"] < weights["ratio"]
    held = sum(p.untyped_storage().nbytes() for p in model.module.parameters())
    assert held < weights["bytes"] < 1.1 * held  # the constants are counted too


@pytest.mark.parametrize("plan", [NF4, INT8])
def test_it_computes_nearly_what_it_did(plan: QuantizationConfig, tmp_path: Path) -> None:
    small_llama(hidden_size=64).load(load_request()).save(tmp_path)
    loader = Decoder(checkpoint=str(tmp_path), max_length=32)
    plain, packed = loader.load(load_request()), loader.load(load_request(weights=plan))
    gap = (predict(packed, ROWS) - predict(plain, ROWS)).abs().max()
    assert 0 < gap < 0.02
    assert torch.equal(predict(loader.load(load_request(weights=plan)), ROWS), predict(packed, ROWS))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("plan", [NF4, INT8])
def test_gradients_are_those_of_the_dequantized_weights_also_after_an_evaluation(
    plan: QuantizationConfig, precision: str, tmp_path: Path
) -> None:
    """bitsandbytes would repack 4-bit weights in the evaluation, and get later gradients wrong with only a warning."""
    small_llama(hidden_size=64, dropout=0.0).load(load_request()).save(tmp_path)
    model = Decoder(checkpoint=str(tmp_path), max_length=32).load(load_request(weights=plan, precision=precision))
    layers = [layer for layer in model.module.modules() if isinstance(layer, bnb.nn.Linear4bit)]
    assert all(layer.support_avx512bf16_for_cpu is False for layer in layers)
    given = batch(model, ROWS)
    first = gradients(model, given)
    predict(model, ROWS)
    again = gradients(model, given)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert all(gradient.abs().max() > 0 for gradient in first.values())
    if plan is NF4 and precision == "fp32":  # int8 products round their inputs too
        model.module = model.module.dequantize()
        for name, gradient in gradients(model, given).items():
            torch.testing.assert_close(first[name], gradient, atol=1e-5, rtol=1e-4)


def gradients(model: Any, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of the embeddings and of the head: what went back through every quantised layer."""
    model.module.train()
    model.module.zero_grad()
    wanted = {name: p for name, p in model.module.named_parameters() if "embed" in name or name.startswith("score")}
    for parameter in wanted.values():
        parameter.requires_grad_(True)
    with torch.enable_grad():
        model.loss(given).mean().backward()
    return {name: p.grad.float().clone() for name, p in wanted.items() if p.grad is not None}


def test_an_encoder_and_its_head() -> None:
    sizes = {"hidden_size": 64, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
    for architecture in ("bert", "roberta", "distilbert", "modernbert"):
        model = Encoder(init="scratch", architecture=architecture, **sizes).load(load_request(weights=NF4))
        inside = tuple(f"{head}." for head in model.heads)
        heads = {each for name, each in layer_classes(model).items() if f"{name}.".startswith(inside)}
        body = {each for name, each in layer_classes(model).items() if not f"{name}.".startswith(inside)}
        assert (heads, body) == ({"Linear"}, {"Linear4bit"})
        assert torch.isfinite(predict(model, ROWS)).all()


@pytest.mark.parametrize("plan", [NF4, INT8])
@torch.no_grad()
def test_a_pass_in_half_precision_changes_nothing_for_good(plan: QuantizationConfig, tmp_path: Path) -> None:
    """bitsandbytes casts biases to the dtype of what comes in, and leaves them so."""
    sizes = {"hidden_size": 64, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
    start = Encoder(init="scratch", architecture="bert", **sizes).load(load_request())
    for parameter in start.module.parameters():
        if parameter.ndim == 1:
            parameter.normal_()
    start.save(tmp_path)
    loader = Encoder(checkpoint=str(tmp_path), max_length=32)
    used, fresh = (loader.load(load_request(weights=plan, precision="bf16")) for _ in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        used.loss(batch(used, ROWS))
    assert torch.equal(predict(used, ROWS), predict(fresh, ROWS))


def odd_llama(folder: Path, width: int, inner: int) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = bare_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=inner, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_layers_of_other_sizes_stay_and_are_counted(tmp_path: Path) -> None:
    loader = Decoder(checkpoint=str(odd_llama(tmp_path, 64, 80)), max_length=32)
    model = loader.load(load_request(weights=NF4))
    plain = [name for name, each in layer_classes(model).items() if each == "Linear"]
    assert sorted(name.rpartition(".")[2] for name in plain) == ["down_proj", "gate_proj", "score", "up_proj"]
    (finding,) = model.findings
    assert (finding.code, finding.count) == ("not_quantised", 3)
    assert "Linear" not in {
        each for name, each in layer_classes(loader.load(load_request(weights=INT8))).items() if name != "score"
    }


def test_sizes_that_leave_nothing_to_quantize_are_refused(tmp_path: Path) -> None:
    loader = Decoder(checkpoint=str(odd_llama(tmp_path, 48, 80)), max_length=32)
    with pytest.raises(WeightsError, match="nothing in this model can be quantized"):
        loader.load(load_request(weights=NF4))


def test_the_dtype_of_what_is_not_quantized_goes_with_the_products() -> None:
    loader = small_llama(hidden_size=64, layers=1)
    for plan, precision, wanted in (
        (NF4, "fp32", torch.float32),
        (NF4, "bf16", torch.bfloat16),
        (replace(NF4, compute_dtype="float32"), "bf16", torch.float32),
    ):
        module = loader.load(load_request(weights=plan, precision=precision)).module
        assert module.model.embed_tokens.weight.dtype == module.model.norm.weight.dtype == wanted
        assert module.model.layers[0].mlp.up_proj.compute_dtype == wanted
        assert module.score.weight.dtype == torch.float32


def test_on_a_gpu_what_does_not_train_lies_in_half_precision() -> None:
    from plugins.text.backbones.networks import _dtype

    on_gpu = load_request(device="cuda", precision="bf16", additive=True)
    assert _dtype(small_llama(), on_gpu) == torch.bfloat16
    encoder = Encoder(init="scratch", architecture="bert")
    for options, changes in (
        (small_llama(), {"additive": False}),
        (small_llama(), {"precision": "fp32"}),
        (small_llama(), {"device": "cpu"}),
    ):
        assert _dtype(options, replace(on_gpu, **changes)) == torch.float32  # type: ignore[arg-type]
    assert _dtype(encoder, on_gpu) == torch.float32
