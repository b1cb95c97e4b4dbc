"""The benchmark of a GPU, in a tiny shape on a CPU: both ways do the same work, and the figures add up.

Covers: benchmarks/gpu/networks.py, benchmarks/gpu/trainings.py
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as program
from benchmarks.gpu import command
from benchmarks.gpu.networks import Options, flops_per_token, linear_parameters

SHAPE = ("width=64", "layers=2", "heads=4", "key_value_heads=2", "inner=128", "vocabulary=200")
TINY = (*SHAPE, "length=16", "batch_size=4", "steps=3", "warmup=1", "rounds=1", "rank=4", "device=cpu")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("gpu") / "results" / "gpu.json"
    assert program.main(["gpu", *TINY, f"out={path}"]) == 0
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result


def test_both_ways_train_the_same_numbers_on_the_same_texts(found: dict[str, Any]) -> None:
    ways = [entry for entry in found["measurements"] if entry["status"] == "completed"]
    methods = ["lora", "qlora"] if find_spec("bitsandbytes") else ["lora"]
    assert [(entry["method"], entry["way"]) for entry in ways] == [
        (method, way) for method in methods for way in ("graft", "trainer")
    ]
    for method in methods:
        graft, trainer = (entry for entry in ways if entry["method"] == method)
        assert graft["trainable"] == trainer["trainable"] == 2 * 4 * (64 + 64 + 64 + 32) + 2 * 64
        assert graft["mean_loss"] == pytest.approx(trainer["mean_loss"], abs=0.02)
        assert graft["mean_loss"] != pytest.approx(0.0)
        assert graft["tokens_per_second"] == pytest.approx(3 * 4 * 16 / graft["seconds"], rel=0.01)


def test_the_summary_is_of_medians_and_ratios(found: dict[str, Any]) -> None:
    entries = [
        {"method": "lora", "way": way, "status": "completed", "tokens_per_second": speed, "peak_memory_mb": 9.0}
        for way, speeds in (("graft", (12.0, 14.0, 9.0)), ("trainer", (10.0, 10.0, 10.0)))
        for speed in speeds
    ]
    summary = command.summary(Options(), "lora", entries, "NVIDIA H100 80GB HBM3")
    assert summary["graft_tokens_per_second"] == 12.0
    assert summary["graft_over_trainer"] == 1.2
    assert summary["graft_over_trainer_range"] == [0.9, 1.4]
    assert summary["graft_share_of_peak"] == pytest.approx(12 * flops_per_token(Options(), False) / 989e12, abs=1e-4)
    assert "graft_share_of_peak" not in command.summary(Options(), "lora", entries, None)
    assert {each["method"] for each in found["summary"]} == {"lora", "qlora"}


def test_its_shape_is_that_of_llama_3_8b() -> None:
    assert linear_parameters(Options()) == 6_979_321_856
    once, twice = (flops_per_token(Options(), each) for each in (False, True))
    assert once == pytest.approx(4 * 6.98e9, rel=0.03)
    assert twice == pytest.approx(1.5 * once, rel=0.02)


def test_without_bitsandbytes_qlora_is_skipped_and_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert program.main(["gpu", *TINY, "methods=qlora"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["measurements"]
    assert entry == {"method": "qlora", "status": "skipped", "why": "bitsandbytes is not installed"}


def test_what_fails_is_recorded_and_the_rest_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.gpu import trainings

    def broken(options: Options, method: str, device: str) -> dict[str, Any]:
        raise RuntimeError("out of everything")

    monkeypatch.setattr(trainings, "WAYS", {"graft": broken, "trainer": lambda *_: {"tokens_per_second": 1.0}})
    assert program.main(["gpu", *TINY, "methods=lora"]) == 1
    statuses = [entry["status"] for entry in json.loads(capsys.readouterr().out)["measurements"]]
    assert statuses == ["failed", "completed"]


def test_bad_words_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert program.main(["gpu", "methods=lora,qlorra"]) == 2
    assert "qlora" in capsys.readouterr().err
    assert program.main(["gpu", "lenght=3"]) == 2
    assert "length" in capsys.readouterr().err
    assert program.main(["gpu", "--help"]) == 0
    assert "gradient_checkpointing" in capsys.readouterr().out
