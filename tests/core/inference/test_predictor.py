"""Use a finished run, with Graft and with the tools of its family."""

from __future__ import annotations

import csv
import io
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import text_runs

from core.cli.commands.evaluate import other_data
from core.config.compose import resolve
from core.config.presets import PresetFolders
from core.config.serialization import read_config
from core.errors import ConfigError, RunError
from core.inference.predictor import Predictor
from core.runs.run import run
from core.tasks.text import TextExample

Graft = Callable[..., tuple[int, str, str]]
ASKED = ["a fine and lovely thing", "a poor and broken thing, number 3", "what", "it is " * 40]


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One run per method on one table; `head` starts from the model of `full`."""
    folder = tmp_path_factory.mktemp("runs")
    path = text_runs.table(folder / "reviews.csv")
    pretrained = ["model.init=pretrained", f"model.checkpoint={folder / 'full' / 'model'}"]
    for name, words in {
        "full": [],
        "lora": ["method=lora", "method.rank=2"],
        "lora_on_local": ["method=lora", "method.rank=2", *pretrained],
        "head": ["method=head", *pretrained],
    }.items():
        run(resolve(text_runs.words(path, *words)), folder / name, quiet=True)
    return {each.name: each for each in folder.iterdir() if each.is_dir()} | {"table": path}


def probabilities(rows: list[dict[str, Any]]) -> list[list[float]]:
    return [[row["probabilities"][label] for label in sorted(text_runs.LABELS)] for row in rows]


def piped(model: Any, **more: Any) -> list[dict[str, float]]:
    from transformers import pipeline

    pipe = pipeline("text-classification", model=model, top_k=None, **more)
    return [{each["label"]: each["score"] for each in pipe([text], truncation=True)[0]} for text in ASKED]


def agree(found: list[dict[str, Any]], piped: list[dict[str, float]]) -> None:
    for row, scores in zip(found, piped, strict=True):
        assert row["label"] == max(scores, key=scores.__getitem__)
        assert row["probabilities"] == pytest.approx(scores, abs=1e-4)


# --- the ecosystem's own tools ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["full", "head", "lora", "lora_on_local"])
def test_the_self_test_is_in_the_report(runs: dict[str, Path], method: str) -> None:
    found = text_runs.report(runs[method])
    assert found["status"] == "completed"
    assert found["self_test"]["passed"] is True
    assert found["self_test"]["largest_difference"] <= 1e-4


@pytest.mark.parametrize("method", ["full", "head"])
def test_the_pipeline_of_transformers_opens_the_model_and_agrees(runs: dict[str, Path], method: str) -> None:
    agree(list(Predictor.open(runs[method]).predict(map(TextExample, ASKED))), piped(str(runs[method] / "model")))


def test_the_pipeline_opens_an_adapter_whose_base_is_beside_it(runs: dict[str, Path]) -> None:
    found = list(Predictor.open(runs["lora"]).predict(map(TextExample, ASKED)))
    agree(found, piped(str(runs["lora"] / "model")))


@pytest.mark.parametrize("method", ["lora", "lora_on_local"])
def test_peft_opens_the_adapter_on_its_base_and_agrees(runs: dict[str, Path], method: str) -> None:
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = runs[method] / "model"
    base = folder / "base" if method == "lora" else runs["full"] / "model"
    network = AutoModelForSequenceClassification.from_pretrained(str(base))
    adapted = PeftModel.from_pretrained(network, str(folder))
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    found = list(Predictor.open(runs[method]).predict(map(TextExample, ASKED)))
    agree(found, piped(adapted.merge_and_unload(), tokenizer=tokenizer))


def test_an_adapter_is_small(runs: dict[str, Path]) -> None:
    assert (runs["lora_on_local"] / "model" / "adapter_model.safetensors").is_file()
    assert not (runs["lora_on_local"] / "model" / "model.safetensors").exists()
    parameters = text_runs.report(runs["lora"])["model"]["parameters"]
    assert parameters["trainable"] < parameters["total"]


def test_no_pickles_are_written(runs: dict[str, Path]) -> None:
    for method in ("full", "head", "lora", "lora_on_local"):
        suffixes = {path.suffix for path in runs[method].rglob("*") if path.is_file()}
        assert suffixes <= {".json", ".jsonl", ".yaml", ".safetensors", ".txt", ".md"}


def test_head_leaves_the_backbone_as_it_was(runs: dict[str, Path]) -> None:
    from safetensors.torch import load_file

    before, after = (load_file(runs[name] / "model" / "model.safetensors") for name in ("full", "head"))
    changed = {name for name, value in before.items() if not value.equal(after[name])}
    assert changed
    assert all(name.startswith("classifier") for name in changed)


def test_a_run_that_was_moved_still_opens(runs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(runs["lora"], tmp_path / "elsewhere")
    moved, there = (list(Predictor.open(each).predict(map(TextExample, ASKED))) for each in (
        tmp_path / "elsewhere", runs["lora"],
    ))  # fmt: skip
    assert moved == there


# --- predict ----------------------------------------------------------------------------------------------------------


def test_predictions_do_not_depend_on_the_other_examples(runs: dict[str, Path]) -> None:
    predictor = Predictor.open(runs["full"])
    together = list(predictor.predict(map(TextExample, ASKED)))
    alone = [row for text in ASKED for row in predictor.predict([TextExample(text)])]
    assert [row["text"] for row in together] == ASKED
    for one, other in zip(probabilities(together), probabilities(alone), strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_a_stream_is_read_in_chunks(runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from core.inference import predictor as inference_predictor

    monkeypatch.setattr(inference_predictor, "CHUNK", 2)
    read: list[int] = []

    def endless() -> Any:
        for number in range(10**9):
            read.append(number)
            yield TextExample(f"text {number}")

    stream = Predictor.open(runs["full"]).predict(endless())
    assert [next(stream)["text"] for _ in range(3)] == ["text 0", "text 1", "text 2"]
    assert len(read) == 4


def test_predict_takes_texts(runs: dict[str, Path], graft: Graft) -> None:
    code, out, _ = graft("predict", runs["full"], *ASKED)
    assert code == 0
    found = text_runs.lines(out)
    assert [row["text"] for row in found] == ASKED
    assert all(row["label"] in text_runs.LABELS for row in found)
    assert all(sum(row["probabilities"].values()) == pytest.approx(1.0, abs=1e-5) for row in found)


def test_predict_reads_standard_input(runs: dict[str, Path], graft: Graft, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("first\n\nsecond ünïcode\n"))
    code, out, _ = graft("predict", runs["full"])
    assert code == 0
    assert [row["text"] for row in text_runs.lines(out)] == ["first", "second ünïcode"]


def test_predict_reads_pairs_as_json(runs: dict[str, Path], graft: Graft) -> None:
    code, out, _ = graft("predict", runs["full"], '{"text": "one", "pair": "two"}', "{not json}")
    assert code == 0
    one, two = text_runs.lines(out)
    assert (one["text"], one["pair"]) == ("one", "two")
    assert two["text"] == "{not json}"


def test_predict_reads_a_file_in_the_format_of_the_run(runs: dict[str, Path], graft: Graft, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text('id,text\n1,"one, with a comma"\n2,two\n')
    code, out, err = graft("predict", runs["full"], "--file", "new.csv")
    assert (code, err) == (0, "")
    assert [row["text"] for row in text_runs.lines(out)] == ["one, with a comma", "two"]


def test_predict_writes_csv_to_a_file(runs: dict[str, Path], graft: Graft, tmp_path: Path) -> None:
    code, out, _ = graft("predict", runs["full"], "--format", "csv", "--output", "out.csv", *ASKED)
    assert (code, out) == (0, "")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["text"] for row in found] == ASKED
    assert set(found[0]) == {"text", "label", *(f"p({label})" for label in text_runs.LABELS)}


def test_predict_writes_csv_of_texts_and_pairs_together(runs: dict[str, Path], graft: Graft) -> None:
    code, out, err = graft("predict", runs["full"], "--format", "csv", "one", '{"text": "two", "pair": "three"}')
    assert code == 0, err
    assert [row["text"] for row in csv.DictReader(io.StringIO(out))] == ["one", "two"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--file", "none.csv"], "none.csv: there is no such file."),
        (["--file", "none.csv", "a text"], "give inputs or --file, not both"),
        (["--output", "no/folder/out.jsonl", "a text"], "cannot be written"),
    ],
)
def test_predict_refuses_impossible_arguments(
    runs: dict[str, Path], graft: Graft, words: list[str], expected: str
) -> None:
    code, _, err = graft("predict", runs["full"], *words)
    assert code == 2
    assert expected in err
    assert "Traceback" not in err


def test_a_run_that_is_not_finished_does_not_predict(runs: dict[str, Path], tmp_path: Path, graft: Graft) -> None:
    with pytest.raises(RunError, match="is not a run's folder"):
        Predictor.open(tmp_path)
    shutil.copytree(runs["full"], tmp_path / "run")
    path = tmp_path / "run" / "report.json"
    path.write_text(path.read_text().replace('"completed"', '"interrupted"'))
    code, _, err = graft("predict", "run", "a text")
    assert code == 2
    assert "has no finished model: its status is interrupted." in err
    assert "python -m core resume run" in err


# --- evaluate ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["full", "lora", "head"])
def test_the_runs_own_test_split_gives_the_scores_of_its_report(
    runs: dict[str, Path], graft: Graft, method: str
) -> None:
    import json

    code, out, _ = graft("evaluate", runs[method], "--json")
    assert code == 0
    found, report = json.loads(out), text_runs.report(runs[method])
    assert found["fingerprint"] == report["data"]["fingerprint"]
    assert found["examples"] == report["data"]["sizes"]["test"]
    for key, score in report["scores"]["test"].items():
        assert found["scores"][key] == pytest.approx(score, abs=1e-5)


def test_all_splits_of_other_data_are_scored(runs: dict[str, Path], graft: Graft, tmp_path: Path) -> None:
    import json

    text_runs.table(tmp_path / "other.csv", 33)
    code, out, err = graft("evaluate", runs["full"], "data.path=other.csv", "--json")
    assert code == 0, err
    assert json.loads(out)["examples"] == 33
    (tmp_path / "lines").mkdir()
    for label in text_runs.LABELS:
        texts = [text for text, name in text_runs.rows(45) if name == label]
        (tmp_path / "lines" / f"{label}.txt").write_text("\n".join(texts) + "\n")
    code, out, err = graft("evaluate", runs["full"], "data=lines", "data.path=lines", "--json")
    assert code == 0, err
    assert json.loads(out)["examples"] == 45


@pytest.mark.parametrize("chosen", ["data=table", ""])
def test_overrides_of_evaluate_are_parsed_as_those_of_training(
    runs: dict[str, Path], graft: Graft, tmp_path: Path, chosen: str
) -> None:
    import json

    path = text_runs.table(tmp_path / "with a, comma.csv", 30)
    words = [f'data.path="{path}"', "data.label_separator=|", "data.label_names={good: good}"]
    code, out, err = graft("evaluate", runs["full"], *filter(None, [chosen]), *words, "--json")
    assert code == 0, err
    assert json.loads(out)["examples"] == 30


def test_other_data_keeps_options_without_overrides(runs: dict[str, Path]) -> None:
    config = read_config(runs["full"] / "config.yaml")
    found: Any = other_data(config, ["data.label_separator=|", "data.path=x.csv"], PresetFolders.named())
    asked: Any = resolve(["task=text_classification", "data.label_separator=|", "data.path=x.csv"]).data
    assert (found.label_separator, found.path) == (asked.label_separator, asked.path) == ("|", "x.csv")
    assert found == replace(config.data, label_separator="|", path="x.csv")
    assert other_data(config, [], PresetFolders.named()) is config.data
    for words in (["data.label_separator=a,b"], ["data.val_fraction=much"], ["data.label_separator"]):
        with pytest.raises(ConfigError):
            other_data(config, words, PresetFolders.named())


def test_evaluate_prints_a_table(runs: dict[str, Path], graft: Graft) -> None:
    code, out, _ = graft("evaluate", runs["full"], "--split", "val")
    assert code == 0
    assert "6 examples (val)" in " ".join(out.split())
    assert "f1_macro" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train.epochs=3"], "train.epochs=3: is not an option of `data`."),
        (["data.pth=x.csv"], "Did you mean data.path?"),
        (["data=tabel"], "Did you mean 'table'?"),
        (["data.path=nowhere.csv"], "nowhere.csv"),
    ],
)
def test_evaluate_refuses_impossible_arguments(
    runs: dict[str, Path], graft: Graft, words: list[str], expected: str
) -> None:
    code, _, err = graft("evaluate", runs["full"], *words)
    assert code == 2
    assert expected in err
    assert "Traceback" not in err


def test_a_label_that_the_model_does_not_know_is_refused(runs: dict[str, Path], graft: Graft, tmp_path: Path) -> None:
    text_runs.table(tmp_path / "other.csv", 30)
    with (tmp_path / "other.csv").open("a") as file:
        file.write("odd,strange\n")
    code, _, err = graft("evaluate", runs["full"], "data.path=other.csv")
    assert code == 2
    assert "strange" in err
    assert "other.csv:32" in err


def test_data_that_has_changed_since_training_is_not_scored_as_if_it_were_unseen(
    runs: dict[str, Path], graft: Graft, tmp_path: Path
) -> None:
    path = text_runs.table(tmp_path / "changing.csv")
    run(resolve(text_runs.words(path, "train.max_steps=1")), tmp_path / "run", quiet=True)
    text_runs.table(path, 61)
    code, _, err = graft("evaluate", tmp_path / "run")
    assert code == 2
    assert "the data has changed" in err
