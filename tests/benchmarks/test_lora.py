"""LoRA beside full fine-tuning: what is compared, and with which options."""

from __future__ import annotations

import pytest

from benchmarks.lora import lora, peers
from core.config.compose import resolve


def test_lora_is_compared_by_its_recipe_fused_and_not() -> None:
    full, fused, chain = peers("minilm")
    assert full.changes == ("method=full",)
    assert fused.changes == ("method=lora", "train.learning_rate=0.001")
    assert set(chain.changes) - set(fused.changes) == {"method.fused=false"}
    config = resolve(["task=text_classification", "model=minilm", *fused.changes])
    assert config.method.targets == ["query", "key", "value", "dense"]  # type: ignore[attr-defined]
    assert config.train.learning_rate == 1e-3


def test_the_learning_rate_of_a_work_does_not_reach_lora() -> None:
    """The work on tokens states the rate of full fine-tuning."""
    _, fused, _ = peers("roberta")
    config = resolve(["task=ner", "model=roberta", "train.learning_rate=1e-4", *fused.changes])
    assert config.train.learning_rate == 5e-4


def test_epochs_are_those_of_the_recipe_if_it_gives_them() -> None:
    assert all("train.epochs" not in word for peer in peers("roberta") for word in peer.changes)


def test_help_names_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert lora(["--help"], False) == 0
    shown = capsys.readouterr().out
    assert "python -m benchmarks lora" in shown
    assert "lora-unfused" in shown
