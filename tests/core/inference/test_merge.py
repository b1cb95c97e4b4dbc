"""Full weights of a run: merged, compared, opened by other tools; and methods that cannot be merged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import image_runs
import pytest
import text_runs
import torch
from safetensors.torch import load_file

from core.config.compose import resolve
from core.errors import RunError
from core.inference.merge import export
from core.inference.predictor import Predictor
from core.runs.run import run
from core.tasks.text import TextExample

Graft = Callable[..., tuple[int, str, str]]
ASKED = ["a fine and lovely thing", "a poor and broken thing, number 3", "what", "it is " * 40]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text_runs.table(tmp_path_factory.mktemp("data") / "reviews.csv")


def trained(table: Path, folder: Path, *words: str) -> Path:
    run(resolve(text_runs.words(table, *words)), folder, quiet=True)
    return folder


def probabilities(predictor: Predictor) -> list[float]:
    rows = predictor.predict(map(TextExample, ASKED))
    return [value for row in rows for value in row["probabilities"].values()]


@pytest.mark.parametrize("words", [["method=lora", "method.dora=true"], ["method=adalora"], ["method=full"]], ids=str)
def test_an_export_predicts_the_same_as_the_run(words: list[str], table: Path, tmp_path: Path) -> None:
    from transformers import pipeline

    folder = trained(table, tmp_path / "run", *words, "train.precision=bf16")
    found = export(folder)
    assert found["folder"] == str(folder / "export")
    assert set(found["compared"]) == {"fp32", "bf16"}
    assert all(values["difference"] <= values["tolerance"] for values in found["compared"].values())
    assert json.loads((folder / "export" / "export.json").read_text(encoding="utf-8"))["examples"] == 12
    assert not (folder / "export" / "adapter_config.json").exists()
    assert ("self_test" in found) == (words == ["method=full"])
    pipe = pipeline("text-classification", model=str(folder / "export"), top_k=None)
    predictor = Predictor.open(folder)
    for row, text in zip(predictor.predict(map(TextExample, ASKED)), ASKED, strict=True):
        scores = {each["label"]: each["score"] for each in pipe([text], truncation=True)[0]}
        assert row["probabilities"] == pytest.approx(scores, abs=1e-4 if words == ["method=full"] else 2e-2)


@pytest.mark.parametrize("words", [["method=qlora"], ["method=qlora", "method.init=loftq"], ["method=lora8"]])
def test_a_decoder_on_quantized_weights_is_merged_in_float32(
    words: list[str], table: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The network computes in bf16, the merged one in float32; they differ by less than the rounding of bf16."""
    pytest.importorskip("bitsandbytes")
    model = [
        "model=llama",
        "model.architecture=llama",
        "model.hidden_size=64",
        "model.layers=1",
        "model.attention_heads=2",
    ]
    folder = trained(table, tmp_path / "run", *model, *words, "train.precision=bf16", "train.epochs=1")
    capfd.readouterr()
    found = export(folder)
    assert capfd.readouterr().err == ""
    assert all(values["difference"] <= values["tolerance"] == 2e-2 for values in found["compared"].values())
    stored = load_file(folder / "export" / "model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float32}


def test_an_export_is_a_checkpoint_like_any_other(table: Path, tmp_path: Path) -> None:
    folder = trained(table, tmp_path / "run", "method=lora")
    export(folder, tmp_path / "whole")
    assert not (folder / "export").exists()
    again = trained(
        table, tmp_path / "again", "model.init=pretrained", f"model.checkpoint={tmp_path / 'whole'}",
        "train.learning_rate=1e-12", "train.epochs=1", "model.dropout=0",
    )  # fmt: skip
    assert probabilities(Predictor.open(again)) == pytest.approx(probabilities(Predictor.open(folder)), abs=1e-3)


def test_image_models_that_were_merged_on_saving_are_exported_unchanged(tmp_path: Path) -> None:
    image_runs.folder(tmp_path / "images")
    run(resolve(image_runs.words(tmp_path / "images", "method=lora")), tmp_path / "run", quiet=True)
    found = export(tmp_path / "run")
    assert found["compared"]["fp32"]["difference"] == 0
    assert found["self_test"]["passed"]
    assert (tmp_path / "run" / "export" / "config.json").is_file()


def test_a_method_that_cannot_be_merged_is_refused_with_the_reason(table: Path, tmp_path: Path, graft: Graft) -> None:
    folder = trained(table, tmp_path / "run", "method=prompt", "method.tokens=4")
    code, _, err = graft("export", folder)
    assert code == 2
    assert "method=prompt: cannot be merged: virtual tokens are inputs of the network" in err
    assert not (folder / "export").exists()


def test_an_export_whose_outputs_differ_leaves_no_files(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from plugins.methods.lora import Lora

    folder = trained(table, tmp_path / "run", "method=lora", "train.learning_rate=0.1")

    def forget(method: Any, model: Any) -> Any:
        model.inner.module = model.inner.module.unload()
        return model.inner

    monkeypatch.setattr(Lora, "merge", forget)
    with pytest.raises(RunError, match="the merged model gives other outputs"):
        export(folder)
    assert not list(folder.glob("export*"))


def test_the_command_prints_the_difference_and_refuses_a_folder_that_is_not_empty(
    table: Path, tmp_path: Path, graft: Graft
) -> None:
    folder = trained(table, tmp_path / "run", "method=lora")
    code, out, _ = graft("export", folder, "--out", tmp_path / "whole")
    assert code == 0
    assert "merged and unmerged outputs differ by" in out
    assert "(allowed: 1e-04), on 12 test examples" in out
    code, _, err = graft("export", folder, "--out", tmp_path / "whole")
    assert code == 2
    assert "is not empty" in err
    shutil.rmtree(tmp_path / "whole")
    assert json.loads(graft("export", folder, "--out", tmp_path / "whole", "--json")[1])["method"] == "lora"
