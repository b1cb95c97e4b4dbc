"""Runs of peft's methods: interrupted and resumed they end the same, and a compiled module can be saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import text_runs

from core.config.compose import resolve
from core.errors import Interrupted
from core.runs.run import resume, run
from core.training.loop import Loop

METHODS = {
    "adalora": ["method=adalora", "method.rank=2", "method.first_rank=4", "method.every=2"],
    "pissa": ["method=lora", "method.init=pissa", "method.rank=2", "method.loraplus_lr_ratio=4"],
    "prompt": ["method=prompt", "method.tokens=4"],
}
OPTIONS = ["train.epochs=4", "train.max_steps=24", "train.checkpoint_steps=3", "train.ema=0.9", "model.layers=2"]


@pytest.mark.parametrize(("name", "stop"), [("adalora", 7), ("adalora", 20), ("pissa", 7), ("prompt", 7)])
def test_an_interrupted_run_resumes_and_ends_the_same(
    name: str, stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped while ranks move, and when they have settled."""
    config = resolve(text_runs.words(text_runs.table(tmp_path / "reviews.csv"), *METHODS[name], *OPTIONS))
    run(config, tmp_path / "whole", quiet=True)
    step: Any = Loop._step

    def interrupt_at_step(loop: Any, batches: Any) -> None:
        if loop.state.step == stop:
            raise Interrupted
        step(loop, batches)

    with monkeypatch.context() as patched:
        patched.setattr(Loop, "_step", interrupt_at_step)
        with pytest.raises(Interrupted):
            run(config, tmp_path / "halved", quiet=True)
    resume(tmp_path / "halved")
    for file in ("model/adapter_model.safetensors", "predictions.jsonl"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "halved" / file).read_bytes(), file
    whole, halved = text_runs.report(tmp_path / "whole"), text_runs.report(tmp_path / "halved")
    assert halved["resumed"] == 1
    assert whole["scores"] == halved["scores"]
    assert whole["self_test"]["passed"]


def test_what_is_inserted_draws_its_dropout_masks_the_fast_way_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []
    begin: Any = Loop._begin

    def collect(loop: Any) -> None:
        begin(loop)
        found.extend(type(each).__name__ for name, each in loop.module.named_modules() if "lora_dropout." in name)

    monkeypatch.setattr(Loop, "_begin", collect)
    words = ["method=lora", "method.dropout=0.1", "train.max_steps=1"]
    run(resolve(text_runs.words(text_runs.table(tmp_path / "reviews.csv"), *words)), tmp_path / "run", quiet=True)
    assert found == ["FastDropout"] * 2


@pytest.mark.parametrize("method", ["lora", pytest.param("full", marks=pytest.mark.nightly)])
def test_a_compiled_module_trains_saves_and_opens_again(method: str, tmp_path: Path) -> None:
    """With dropout, which has a way of its own on a processor, and LoRA's fused layers."""
    words = [f"method={method}", "train.compile=true", "train.max_steps=3", "model.dropout=0.1", "model.layers=1"]
    run(resolve(text_runs.words(text_runs.table(tmp_path / "reviews.csv"), *words)), tmp_path / "run", quiet=True)
    report = text_runs.report(tmp_path / "run")
    assert report["self_test"]["passed"]
    assert report["training"]["steps"] == 3
