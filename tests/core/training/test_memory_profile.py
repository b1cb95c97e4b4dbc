"""The profile that estimates peak memory: what it counts, that it is right, and that it changes nothing."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import decoder_samples
import image_runs
import image_samples
import numpy as np
import pytest
import scene_samples
import text_runs
import torch

from core.contracts.model import LoadedModel, PreparedDataset, TrainingPlan
from core.contracts.train_config import TrainConfig
from core.data.batching import example_rng
from core.runtime.hardware import Hardware
from core.training.memory_profile import LiveTensors, _longest, _run_pass, peak_of, profile_memory
from plugins.detection.plugin import Torchvision
from plugins.images.plugin import Timm
from plugins.methods.lora import Lora, Qlora
from plugins.methods.selective import Full
from plugins.text.plugin import Encoder

Graft = Callable[..., tuple[int, str, str]]
MIB = 2**20
CPU = Hardware("cpu", "bf16")
EXAMPLES = 16


def bert() -> tuple[LoadedModel, PreparedDataset]:
    sizes: Any = {"hidden_size": 128, "layers": 3, "attention_heads": 4, "vocabulary": 300, "max_length": 64}
    model = Encoder(init="scratch", architecture="bert", **sizes).load(decoder_samples.load_request())
    return model, model.prepare((decoder_samples.examples() * EXAMPLES)[:EXAMPLES], True)


def resnet() -> tuple[LoadedModel, PreparedDataset]:
    examples = image_samples.examples(EXAMPLES)
    model = Timm(init="scratch", scratch="test_resnet", image_size=32).load(image_samples.load_request(examples))
    return model, model.prepare(examples, True)


def fcos() -> tuple[LoadedModel, PreparedDataset]:
    examples = scene_samples.examples(EXAMPLES)
    model = Torchvision(init="scratch", image_size=128, channels=64).load(scene_samples.load_request(examples))
    return model, model.prepare(examples, True)


def whole_pass(model: LoadedModel, prepared: PreparedDataset) -> float:
    """MiB at the peak of a pass over all the examples at once, gradients included."""
    batch = model.collate([prepared.fetch(row, 0, example_rng(0, 0, row)) for row in range(EXAMPLES)])
    with LiveTensors() as live:
        with CPU.autocast():
            losses = model.loss({name: value.clone() for name, value in batch.items()})
        losses.sum().backward()  # type: ignore[no-untyped-call]
    model.module.zero_grad()
    return max(live.course) / MIB


def test_tensors_count_while_they_are_there() -> None:
    held = torch.zeros(MIB // 4)
    with LiveTensors() as live:
        held.add_(1)  # not made here
        assert live.now == 0
        first = held + 1
        view = first[10:]
        assert live.now == MIB
        second = first * 2
        del first
        assert live.now == 2 * MIB  # the view holds it
        del view
        gc.collect()
        assert live.now == MIB
        third = second.exp().exp()
        assert torch.eye(3).to_sparse().sum() == 3  # has no storage of its own
    assert max(live.course) == 3 * MIB
    assert second.numel() == third.numel()


@pytest.mark.parametrize("method", [Full(), Lora(rank=4)], ids=lambda method: method.name)
@pytest.mark.parametrize("load", [bert, resnet, fcos])
def test_the_peak_of_a_full_pass_is_near_the_estimate(load: Any, method: Any) -> None:
    model, prepared = load()
    model = method.apply(model, TrainingPlan(1, 1.0))
    parts = profile_memory(model, prepared, replace(TrainConfig(), batch_size=EXAMPLES), CPU, seed=0)
    peak = whole_pass(model, prepared)  # of which some gradients are part, made as activations go
    assert 0.9 * parts["activations"] <= peak <= 1.05 * (parts["activations"] + parts["gradients"])
    trains = sum(p.numel() for p in model.module.parameters() if p.requires_grad)
    assert parts["gradients"] == pytest.approx(4 * trains / MIB, abs=0.1)
    assert parts["optimizer"] == pytest.approx(2 * parts["gradients"], abs=0.2)
    assert parts["total"] == pytest.approx(sum(parts.values()) - parts["total"], abs=0.5)
    assert parts["libraries"] > 100


def test_a_large_gradient_of_a_small_pass_does_not_hide_what_grows() -> None:
    """That of the embeddings of a real vocabulary is the peak of two examples, and of four, but not of many."""
    many = 12 * EXAMPLES
    model, _ = bert()
    prepared = model.prepare((decoder_samples.examples() * many)[:many], True)
    model.module.resize_token_embeddings(30522)  # type: ignore[operator]
    model = Full().apply(model, TrainingPlan(1, 1.0))
    small = max(_run_pass(model, _longest(model, prepared, 2, 0), CPU).course)
    larger = max(_run_pass(model, _longest(model, prepared, 4, 0), CPU).course)
    whole = max(_run_pass(model, _longest(model, prepared, many, 0), CPU).course) / MIB
    assert larger < 1.1 * small
    found = profile_memory(model, prepared, replace(TrainConfig(), batch_size=many), CPU, seed=0)["activations"]
    assert found == pytest.approx(whole, rel=0.05)
    assert found > 1.2 * larger / MIB


def test_where_passes_are_of_other_operations_the_line_goes_through_their_peaks() -> None:
    assert peak_of([[1, 9, 2]], [3], 3) == 9
    assert peak_of([[1, 10, 2], [1, 10, 4]], [2, 4], 16) == 16  # the third grows by one an example
    assert peak_of([[1, 10, 2], [1, 14]], [2, 4], 10) == 26


def test_what_quantization_adds_counts() -> None:
    pytest.importorskip("bitsandbytes")
    found = []
    for method in (Lora(rank=4), Qlora(rank=4, double_quant=False)):
        model = decoder_samples.small_llama(hidden_size=128, layers=6).load(
            decoder_samples.load_request(weights=method.weights(), precision="bf16")
        )
        model = method.apply(model, TrainingPlan(1, 1.0))
        prepared = model.prepare(decoder_samples.examples(), True)
        found.append(profile_memory(model, prepared, TrainConfig(), CPU, seed=0)["weights"])
        if model.inner.base_weights:
            trains = sum(p.numel() * 4 for p in model.module.parameters() if p.requires_grad)
            assert found[1] * MIB == pytest.approx(model.inner.base_weights["bytes"] + trains, rel=0.02)
    assert found[1] < 0.5 * found[0]


def test_smaller_micro_batches_and_averages_count() -> None:
    model, prepared = bert()
    model = Full().apply(model, TrainingPlan(1, 1.0))
    train = replace(TrainConfig(), batch_size=EXAMPLES)
    whole = profile_memory(model, prepared, train, CPU, seed=0)
    halves = profile_memory(model, prepared, replace(train, micro_batch_size=EXAMPLES // 2, ema=0.9), CPU, seed=0)
    assert 0.4 < halves["activations"] / whole["activations"] < 0.7
    assert (whole["average"], halves["average"]) == (0, halves["gradients"])
    frugal, _ = bert()
    frugal.enable_gradient_checkpointing()
    less = profile_memory(Full().apply(frugal, TrainingPlan(1, 1.0)), prepared, train, CPU, seed=0)
    assert less["activations"] < 0.7 * whole["activations"]


def test_it_leaves_no_trace() -> None:
    model, prepared = resnet()
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    np.random.seed(3)
    profile_memory(model, prepared, TrainConfig(), CPU, seed=0)
    assert torch.equal(torch.rand(4), expected)
    assert any(name.endswith("running_mean") for name in before)
    assert all(torch.equal(value, before[name]) for name, value in model.module.state_dict().items())
    assert all(parameter.grad is None for parameter in model.module.parameters())


def test_there_is_no_estimate_where_not_even_four_examples_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    model, prepared = bert()

    def no_memory(batch: Any) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(model, "loss", no_memory)
    assert profile_memory(model, prepared, TrainConfig(), CPU, seed=0) == {}


@pytest.mark.parametrize("of", ["texts", "images"])
def test_check_and_report_say_the_same(of: str, graft: Graft, tmp_path: Path) -> None:
    if of == "texts":
        words = text_runs.words(text_runs.table(tmp_path / "t.csv"), "train.precision=bf16", "model.dropout=0.1")
    else:
        words = image_runs.words(image_runs.folder(tmp_path / "images"))
    code, out, err = graft("check", "--json", *words)
    assert code == 0, err
    checked = json.loads(out)["estimate_mb"]
    code, out, err = graft(*words, f"hydra.run.dir={tmp_path / 'run'}")
    assert code == 0, err
    memory = json.loads((tmp_path / "run" / "report.json").read_text())["memory"]
    assert f"(estimated {memory['estimate_mb']['total']:.0f})" in " ".join((out + err).split())
    for part in ("weights", "gradients", "activations"):
        assert memory["estimate_mb"][part] == pytest.approx(checked[part], rel=0.05)
