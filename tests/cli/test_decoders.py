"""Decoders on the command line: full training of a compact Llama, then LoRA and quantized LoRA from its weights."""

from __future__ import annotations

import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import text_runs
import torch
from program_server import Program

SIZES = (
    "model.hidden_size=64", "model.layers=1", "model.attention_heads=2", "model.vocabulary=300", "model.max_length=24",
)  # fmt: skip
LLAMA = ("model=llama", *SIZES)
quantizing = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="needs the qlora extra")
FRUGAL = ("train.optimizer=adamw8bit", "train.gradient_checkpointing=true", "train.micro_batch_size=3")
METHODS = ["lora", *(pytest.param(each, marks=quantizing) for each in ("qlora", "lora8"))]


@pytest.fixture(scope="module")
def base(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full training of the compact Llama that the preset builds without a network."""
    folder = tmp_path_factory.mktemp("decoders")
    path = text_runs.table(folder / "reviews.csv")
    words = ("task=text_classification", f"data.path={path}", *LLAMA, *text_runs.TRAIN, "train.max_steps=40")
    ended = program.run(*words, f"hydra.run.dir={folder / 'full'}")
    assert ended.code == 0, ended.err
    assert "compact llama" in " ".join(ended.err.replace("│", " ").split())
    return folder


def words(base: Path, method: str, name: str, *more: str) -> list[str]:
    """Start from the weights of the full run."""
    start = ("model=decoder", f"model.checkpoint={base / 'full' / 'model'}", "model.max_length=24")
    train = (*text_runs.TRAIN, "train.max_steps=20", "train.checkpoint_steps=2", *more)
    return [
        "task=text_classification", f"data.path={base / 'reviews.csv'}", *start, f"method={method}", *train,
        f"hydra.run.dir={base / name}",
    ]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_run_from_a_saved_llama_is_killed_and_resumed_and_ends_the_same(
    program: Program, base: Path, method: str
) -> None:
    ended = program.run(*words(base, method, method))
    assert ended.code == 0, ended.err
    report = text_runs.report(base / method)
    assert report["self_test"]["largest_difference"] == 0.0
    assert report["init"] == "pretrained"
    full = text_runs.report(base / "full")["scores"]["test"]["accuracy"]["value"]
    assert report["scores"]["test"]["accuracy"]["value"] >= full - 0.02
    if method == "lora":
        assert "base_weights" not in report["model"]
    else:
        assert f"the quantized layers take {report['model']['base_weights']['quantised_ratio']:.3f}" in ended.err

    process = program.start(*words(base, method, f"{method}-killed"))
    killed = base / f"{method}-killed"
    process.until(lambda: len(list((killed / "checkpoints").glob("step-*.json"))) > 0)
    process.signal(signal.SIGKILL)
    assert process.wait().code == -signal.SIGKILL
    resumed = program.run("resume", killed)
    assert resumed.code == 0, resumed.err
    adapters = [(run / "model" / "adapter_model.safetensors").read_bytes() for run in (base / method, killed)]
    assert adapters[0] == adapters[1]
    assert text_runs.report(killed)["scores"] == report["scores"]

    said = program.run("predict", killed, "a poor and broken thing")
    assert text_runs.lines(said.out)[0]["label"] == "bad"
    if method == "lora":
        assert_opens_in_peft(killed / "model", text_runs.lines(said.out)[0])


@torch.no_grad()
def assert_opens_in_peft(folder: Path, said: dict[str, Any]) -> None:
    from peft import AutoPeftModelForSequenceClassification
    from transformers import AutoTokenizer

    model = AutoPeftModelForSequenceClassification.from_pretrained(str(folder), num_labels=3).eval()
    tokens = AutoTokenizer.from_pretrained(str(folder))(said["text"], return_tensors="pt")
    given = model(**tokens).logits.softmax(dim=-1)[0]
    torch.testing.assert_close(given, torch.tensor(list(said["probabilities"].values())), atol=1e-5, rtol=0)


def test_the_pipeline_of_transformers_opens_it_with_its_labels(program: Program, base: Path) -> None:
    from transformers import pipeline

    said = text_runs.lines(program.run("predict", base / "full", "a fine and lovely thing").out)[0]
    (best,) = pipeline("text-classification", model=str(base / "full" / "model"))("a fine and lovely thing")
    assert best["label"] == said["label"] == "good"
    assert best["score"] == pytest.approx(said["probabilities"]["good"], abs=1e-5)


@quantizing
def test_with_all_memory_options_a_killed_and_resumed_run_ends_the_same(program: Program, base: Path) -> None:
    ended = program.run(*words(base, "full", "frugal", *FRUGAL))
    assert ended.code == 0, ended.err
    process = program.start(*words(base, "full", "frugal-killed", *FRUGAL))
    killed = base / "frugal-killed"
    process.until(lambda: len(list((killed / "checkpoints").glob("step-*.json"))) > 0)
    process.signal(signal.SIGKILL)
    assert process.wait().code == -signal.SIGKILL
    assert program.run("resume", killed).code == 0
    weights = [(run / "model" / "model.safetensors").read_bytes() for run in (base / "frugal", killed)]
    assert weights[0] == weights[1]


@quantizing
@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(3))
def test_qlora_reaches_the_score_of_lora_within_two_points(program: Program, tmp_path: Path, seed: int) -> None:
    """On the embedded reviews, from trained weights: those of a compact Llama after full training."""
    common = ("task=sentiment", f"seed={seed}", "train.baselines=false")
    assert program.run(*common, "model=llama", "train.epochs=5", f"hydra.run.dir={tmp_path / 'full'}").code == 0
    scores = {}
    for method in ("lora", "qlora", "lora8"):
        start = ("model=decoder", f"model.checkpoint={tmp_path / 'full' / 'model'}", f"method={method}")
        ended = program.run(*common, *start, f"hydra.run.dir={tmp_path / method}")
        assert ended.code == 0, ended.err
        scores[method] = text_runs.report(tmp_path / method)["scores"]["test"]["f1_macro"]["value"]
    assert scores["qlora"] >= scores["lora"] - 0.02
    assert scores["lora8"] >= scores["lora"] - 0.02
