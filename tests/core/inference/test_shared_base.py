"""Several adapters share one base model in memory; another base model is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import text_runs

from core.config.compose import resolve
from core.errors import RunError
from core.inference.predictor import Predictor
from core.inference.shared_base import open_together
from core.runs.run import run
from core.tasks.text import TextExample

Graft = Callable[..., tuple[int, str, str]]
ASKED = ["a fine and lovely thing", "a poor and broken thing, number 3", "what"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Adapters of several methods on one base, one of them for other labels; and a run from another base."""
    folder = tmp_path_factory.mktemp("runs")
    table = text_runs.table(folder / "reviews.csv")
    other = folder / "other.csv"
    other.write_text(table.read_text(encoding="utf-8").replace(",so so", ",bad"), encoding="utf-8")
    base = ["model.init=pretrained", f"model.checkpoint={folder / 'base' / 'model'}"]
    for name, path, words in (
        ("base", table, []),
        ("lora", table, ["method=lora", *base]),
        ("bitfit", table, ["method=bitfit", *base]),
        ("two", other, ["method=lora", *base]),
        ("prompt", table, ["method=prompt", "method.tokens=4", *base]),
        ("stranger", table, ["seed=7"]),
    ):
        run(resolve(text_runs.words(path, *words)), folder / name, quiet=True)
    return {each.name: each for each in folder.iterdir() if each.is_dir()}


def test_one_base_is_in_memory_and_each_run_predicts_as_it_does_alone(runs: dict[str, Path]) -> None:
    asked = [runs[name] for name in ("lora", "bitfit", "two", "prompt", "base")]
    opened = open_together(asked)
    places = [{each.data_ptr() for each in predictor.model.module.parameters()} for predictor in opened]
    bytes_of = {each.data_ptr(): each.nbytes for predictor in opened for each in predictor.model.module.parameters()}
    one = sum(each.nbytes for each in opened[0].model.module.parameters())
    assert sum(bytes_of.values()) < 2 * one
    assert all(len(places[0] & other) > 10 for other in places[1:-1])
    for folder, predictor in zip(asked, opened, strict=True):
        alone = list(Predictor.open(folder).predict(map(TextExample, ASKED)))
        assert list(predictor.predict(map(TextExample, ASKED))) == alone


@pytest.mark.parametrize("method", ["qlora", "lora8"])
def test_quantized_weights_are_held_once_after_predictions_too(method: str, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    table = text_runs.table(tmp_path / "reviews.csv")
    base = ["model.init=pretrained", f"model.checkpoint={tmp_path / 'base' / 'model'}", "train.epochs=1"]
    run(resolve(text_runs.words(table, "model.hidden_size=64", "train.epochs=1")), tmp_path / "base", quiet=True)
    for seed in ("1", "2"):
        run(resolve(text_runs.words(table, f"method={method}", *base, f"seed={seed}")), tmp_path / seed, quiet=True)
    opened = open_together([tmp_path / "1", tmp_path / "2"])
    for _ in range(2):
        quantized = [
            {each.data_ptr() for each in predictor.model.module.parameters() if not each.is_floating_point()}
            for predictor in opened
        ]
        assert quantized[0]
        assert quantized[0] == quantized[1]
        for predictor in opened:
            assert len(list(predictor.predict(map(TextExample, ASKED)))) == len(ASKED)


def test_another_base_is_refused_with_the_share_of_equal_weights(runs: dict[str, Path]) -> None:
    with pytest.raises(RunError, match=r"has another base model than .*: \d+ % of the weights are equal"):
        open_together([runs["lora"], runs["stranger"]])


def test_one_prediction_per_run_and_text(runs: dict[str, Path], graft: Graft) -> None:
    code, out, err = graft("predict", runs["lora"], "--with", runs["two"], "--with", runs["prompt"], *ASKED)
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    names = ("lora", "two", "prompt")
    assert [(row["text"], row["run"]) for row in rows] == [(text, str(runs[name])) for text in ASKED for name in names]
    for name in names:
        alone = [json.loads(line) for line in graft("predict", runs[name], *ASKED)[1].splitlines()]
        assert [{"run": str(runs[name]), **row} for row in alone] == [
            row for row in rows if row["run"] == str(runs[name])
        ]
    assert "% of its weights are shared with" in err


def test_a_csv_names_the_run_of_each_row(runs: dict[str, Path], graft: Graft) -> None:
    _, out, _ = graft("predict", runs["lora"], "--with", runs["bitfit"], "--format", "csv", *ASKED)
    rows = list(csv.DictReader(out.splitlines()))
    assert [row["run"] for row in rows] == [str(runs["lora"]), str(runs["bitfit"])] * 3


def test_pictures_are_for_one_run_only(runs: dict[str, Path], graft: Graft, tmp_path: Path) -> None:
    code, _, err = graft("predict", runs["lora"], "--with", runs["bitfit"], "--pictures", tmp_path / "p", "text")
    assert code == 2
    assert "Leave out --with" in err
