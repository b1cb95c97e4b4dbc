"""The memory estimate against the real sizes of networks and of what autograd keeps, and how it is printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import decoder_samples
import graft_toy
import pytest
import text_runs
import torch

from core.contracts.model import TrainingPlan
from core.contracts.train_config import TrainConfig
from core.training.memory_estimate import TrainingMemory, estimate, sentence
from plugins.methods.lora import Lora, Qlora
from plugins.methods.selective import Full, Head
from plugins.text.plugin import Decoder, Encoder

Graft = Callable[..., tuple[int, str, str]]
TOKENS, BATCH = 64, 8
CASES = ["llama", "bert", "roberta", "distilbert", "modernbert"]


def loader(architecture: str, **more: Any) -> Any:
    family = Decoder if architecture == "llama" else Encoder
    sizes = {"hidden_size": 128, "layers": 4, "attention_heads": 4, "vocabulary": 300, "max_length": TOKENS}
    return family(init="scratch", architecture=architecture, **{**sizes, **more})


def config(model: Any, method: Any, **train: Any) -> Any:
    made = graft_toy.config(model=model, method=method)
    return replace(made, train=replace(made.train, batch_size=BATCH, **train))


@pytest.mark.parametrize("architecture", CASES)
def test_parameters_are_those_of_the_network(architecture: str) -> None:
    options = loader(architecture)
    model = options.load(decoder_samples.load_request())
    shape = options.footprint(config(options, Full()), 3)
    heads = sum(p.numel() for name in model.heads for p in model.module.get_submodule(name).parameters())
    whole = sum(p.numel() for p in model.module.parameters())
    vocabulary = model.module.get_input_embeddings().weight.shape[0]
    # The tokenizer learns fewer tokens than it might; a pooler may be part of the backbone or of the head.
    expected = whole - heads + (options.vocabulary - vocabulary) * options.hidden_size
    assert shape.parameters + shape.head == pytest.approx(expected + heads, rel=0.02)
    adapted = Lora(rank=4).apply(model, TrainingPlan(1, 1.0))
    trains = sum(p.numel() for p in adapted.module.parameters() if p.requires_grad)
    assert Lora(rank=4).trainable(shape) == pytest.approx(trains, rel=0.02 if shape.head == heads else 0.7)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("architecture", CASES)
def test_activations_are_near_what_autograd_keeps(architecture: str, precision: str) -> None:
    options = loader(architecture, dropout=0.1)
    plain, frugal = (
        estimate(config(options, Full(), gradient_checkpointing=each), 3, precision, "cpu")["activations"]
        for each in (False, True)
    )
    block = plain / 5  # besides its four blocks, the estimate counts the gradients of one
    assert plain - block == pytest.approx(kept(options, precision, False), rel=0.3)
    assert kept(options, precision, True) < frugal < block + 2 * kept(options, precision, True)


def kept(options: Any, precision: str, frugal: bool) -> float:
    """What the backward pass is kept, in MiB."""
    model = options.load(decoder_samples.load_request())
    if frugal:
        model.enable_gradient_checkpointing()
    model.use_fast_dropout()
    model.module.train()
    parameters = {p.untyped_storage().data_ptr() for p in model.module.parameters()}
    found: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = torch.randint(5, 30, (BATCH, TOKENS))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "targets": torch.zeros(BATCH, dtype=torch.long)}
    mixed = torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), mixed:
        loss = model.loss(batch)
    del loss
    return sum(found.values()) / 2**20


def test_what_each_way_of_saving_saves() -> None:
    model = Decoder(checkpoint="meta-llama/Llama-3.1-8B", max_length=512)
    full, lora, qlora = (estimate(config(model, each), 2, "bf16", "cuda") for each in (Full(), Lora(), Qlora()))
    assert full["weights"] == pytest.approx(7.5e9 * 4 / 2**20, rel=0.02)
    assert lora["weights"] == pytest.approx(full["weights"] / 2, rel=0.01)  # bf16, where they do not train
    assert 0.29 < qlora["weights"] / lora["weights"] < 0.33
    assert full["optimizer"] == pytest.approx(2 * full["gradients"], rel=1e-4)
    small = estimate(config(model, Full(), optimizer="adamw8bit", gradient_checkpointing=True), 2, "bf16", "cuda")
    assert small["optimizer"] == pytest.approx(full["optimizer"] / 4, rel=0.01)
    assert small["activations"] < 0.2 * full["activations"]
    halved = estimate(config(model, Full(), micro_batch_size=BATCH // 2), 2, "bf16", "cuda")
    assert halved["activations"] == pytest.approx(full["activations"] / 2, rel=0.01)
    assert estimate(config(model, Head()), 2, "bf16", "cuda")["activations"] == 0
    assert "libraries" not in full
    assert estimate(config(model, Full()), 2, "bf16", "cpu")["libraries"] > 0


def test_the_parts_of_an_estimate_add_up() -> None:
    mib = 2.0**20
    parts = TrainingMemory.of(TrainConfig(ema=0.9), 8 * mib, 4 * mib, mib, 2 * mib).in_mib()
    assert parts == {
        "weights": 8, "gradients": 4, "optimizer": 8, "average": 4, "activations": 1, "libraries": 2, "total": 27
    }  # fmt: skip
    assert "libraries" not in TrainingMemory.of(TrainConfig(), 8 * mib, 4 * mib, mib, None).in_mib()


def test_what_is_not_known_is_not_guessed(tmp_path: Path) -> None:
    assert estimate(config(Decoder(checkpoint="org/name"), Full()), 2) == {}
    assert estimate(config(loader("llama"), Lora(targets=["up_proj"])), 2) == {}
    assert estimate(config(graft_toy.Toy(), graft_toy.Whole()), 2) == {}
    assert sentence({}).startswith("unknown")
    model = loader("llama").load(decoder_samples.load_request())
    model.save(tmp_path)
    assert estimate(config(Decoder(checkpoint=str(tmp_path)), Full()), 3) != {}
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    assert estimate(config(Decoder(checkpoint=str(tmp_path)), Full()), 3) == {}


def test_check_quick_estimates_from_sizes_and_skips_the_dry_run(graft: Graft, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.runs import dry_run

    monkeypatch.setattr(dry_run, "inspect", lambda config: pytest.fail("--quick looks at nothing"))
    code, out, _ = graft("check", "--quick", "task=sentiment", "model=llama", "method=qlora")
    assert code == 0
    assert "estimate: about " in out
    shown = json.loads(graft("check", "--quick", "--json", "task=sentiment", "model=llama")[1])
    assert shown["estimate_mb"]["weights"] == pytest.approx(1.236e9 * 4 / 2**20, rel=0.01)
    assert "unknown" in graft("check", "--quick", "task=sentiment", "model=decoder", "model.checkpoint=org/name")[1]


def test_check_quick_imports_nothing_heavy(tmp_path: Path) -> None:
    import subprocess

    code = (
        "import sys; from core.cli.main import main; sys.argv = ['graft'];"
        "main(['check', '--quick', 'task=sentiment', 'model=llama', 'method=lora']);"
        "print([name for name in ('torch', 'transformers', 'numpy', 'peft') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_report_shows_it_beside_the_measured_peak(graft: Graft, tmp_path: Path) -> None:
    words = text_runs.words(text_runs.table(tmp_path / "t.csv"), f"hydra.run.dir={tmp_path / 'run'}")
    code, out, err = graft(*words)
    assert code == 0, err
    memory = text_runs.report(tmp_path / "run")["memory"]
    assert memory["estimate_mb"]["total"] > memory["estimate_mb"]["libraries"] > 0
    assert f"(estimated {memory['estimate_mb']['total']:.0f})" in " ".join((out + err).split())
