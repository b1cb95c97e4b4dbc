"""Token classification on the command line: train, predict, evaluate, export, and read the saved model elsewhere."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import text_runs
import token_runs
from program_server import Program

quantizing = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="needs the qlora extra")
Graft = Callable[..., tuple[int, str, str]]
DOCUMENT = 3
"""Number of sentences in a document."""
F1 = "entity_f1_micro"


@pytest.fixture(scope="module")
def base(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full training on a CoNLL file with documents, in `full`."""
    folder = tmp_path_factory.mktemp("tokens")
    path = token_runs.conll(folder / "sentences.conll", token_runs.sentences(), DOCUMENT)
    ended = program.run(
        *token_runs.words(path, "data.group=docstart", "train.baselines=true"), f"hydra.run.dir={folder / 'full'}"
    )
    assert ended.code == 0, ended.err
    assert "test examples, 95% confidence intervals resample" in ended.out
    return folder


def predicted(program: Program, run: Path, *words: object) -> list[dict[str, Any]]:
    """Return the lines of `predict`."""
    ended = program.run("predict", run, *words)
    assert ended.code == 0, ended.err
    return text_runs.lines(ended.out)


def test_the_report_has_scores_with_intervals_a_baseline_and_tables(base: Path) -> None:
    report = text_runs.report(base / "full")
    score = report["scores"]["test"][F1]
    assert score["low"] <= score["value"] <= score["high"]
    assert score["value"] > 0.9
    assert report["primary"] == F1
    baseline = report["scores"]["baselines"]["most_frequent_tag"]
    assert 0.5 < baseline[F1]["value"] <= 1
    assert report["data"]["labels"] == list(token_runs.LABELS)
    assert [row["type"] for row in report["per_type"]] == ["person", "place"]
    test = report["data"]["sizes"]["test"]
    assert [row["entities"] for row in report["per_type"]] == [test, test]
    assert report["data"]["groups"]["test"] == test / DOCUMENT
    assert report["self_test"]["passed"]


def test_the_predictions_of_the_test_split_are_written_with_their_targets(base: Path) -> None:
    lines = text_runs.lines((base / "full" / "predictions.jsonl").read_text(encoding="utf-8"))
    assert len(lines) == text_runs.report(base / "full")["data"]["sizes"]["test"]
    for line in lines:
        assert line["place"].startswith("sentences.conll:")
        assert len(line["words"]) == len(line["tags"])
        token_runs.entities(line)
        for each in line["target"]:
            assert line["text"][each["start"] : each["end"]] == each["text"]


TEXTS = {
    "Anna Rossi lives in New York.": [("Anna Rossi", "person"), ("New York", "place")],
    "  yesterday   Émile\u00a0left\tOslo ": [("Émile", "person"), ("Oslo", "place")],
    "😀👍🏽 Anna left Rome": [("Anna", "person"), ("Rome", "place")],
    "\ufeffAnna\u200b left \u200dRome": [("Anna", "person"), ("Rome", "place")],
    "שלום Anna left Rome": [("Anna", "person"), ("Rome", "place")],
    '{"tokens": ["Anna", "left", "New York"]}': [("Anna", "person"), ("New York", "place")],
    '{"text": "Bruno left Lima"}': [("Bruno", "person"), ("Lima", "place")],
}


def test_offsets_point_into_the_text_as_it_was_given(program: Program, base: Path) -> None:
    lines = predicted(program, base / "full", *TEXTS)
    for line, (text, wanted) in zip(lines, TEXTS.items(), strict=True):
        assert line["text"] == text or text.startswith("{")
        found = token_runs.entities(line)
        assert [each for each in found if each in wanted] == wanted


def test_no_entity_is_lost_or_doubled_where_windows_meet(program: Program, base: Path) -> None:
    """Texts of many windows; in each text the borders between windows fall on other words."""
    sentence = " ".join(word for word, _ in token_runs.sentences()[4])  # yesterday Anna left Oslo
    texts = [f"{'late ' * skipped}{f'{sentence} , ' * 30}" for skipped in range(6)]
    for line in predicted(program, base / "full", *texts):
        found = token_runs.entities(line)
        assert found == [("Anna", "person"), ("Oslo", "place")] * 30


def test_inputs_from_files_and_from_standard_input(
    graft: Graft, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, texts = base / "full", ["Anna left Rome", "Bruno lives in New York"]
    (tmp_path / "texts.txt").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    token_runs.json_lines(tmp_path / "texts.jsonl", [{"id": 7, "text": each} for each in texts])
    token_runs.json_lines(tmp_path / "words.jsonl", [{"tokens": each.split()} for each in texts])
    token_runs.conll(tmp_path / "words.conll", [token_runs.tagged(each) for each in texts])
    said = [text_runs.lines(graft("predict", run, *texts)[1])]
    for name in ("texts.txt", "texts.jsonl", "words.jsonl", "words.conll"):
        code, out, err = graft("predict", run, "--file", tmp_path / name)
        assert code == 0, err
        said.append(text_runs.lines(out))
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(texts) + "\n"))
    said.append(text_runs.lines(graft("predict", run)[1]))
    assert [token_runs.entities(line) for line in said[0]] == [
        [("Anna", "person"), ("Rome", "place")],
        [("Bruno", "person"), ("New York", "place")],
    ]
    keys = ("text", "words", "tags", "entities")
    assert all(
        [[line[key] for key in keys] for line in each] == [[line[key] for key in keys] for line in said[0]]
        for each in said
    )


def test_an_empty_text_in_a_file_gets_a_line_without_entities(program: Program, base: Path, tmp_path: Path) -> None:
    path = token_runs.json_lines(tmp_path / "texts.jsonl", [{"text": "Anna left Rome"}, {"text": ""}, {"text": "Lima"}])
    lines = predicted(program, base / "full", "--file", path)
    assert [line["tags"] for line in lines] == [["B-person", "O", "B-place"], [], ["B-place"]]
    assert lines[1]["entities"] == []


def test_a_csv_has_a_row_for_each_entity(program: Program, base: Path) -> None:
    ended = program.run("predict", base / "full", "Anna left New York", "the train was late", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert [(row["start"], row["end"], row["entity"], row["label"]) for row in rows] == [
        ("0", "4", "Anna", "person"),
        ("10", "18", "New York", "place"),
    ]
    assert {row["text"] for row in rows} == {"Anna left New York"}
    assert all(0 < float(row["score"]) <= 1 for row in rows)


def test_predictions_in_conll_are_data_again(program: Program, base: Path, tmp_path: Path) -> None:
    path = tmp_path / "again.conll"
    arguments = ("--file", base / "sentences.conll", "--format", "conll", "--output", path)
    ended = program.run("predict", base / "full", *arguments)
    assert ended.code == 0, ended.err
    ended = program.run("evaluate", base / "full", f"data.path={path}", "data.group=", "--json")
    assert ended.code == 0, ended.err
    assert '"examples": 60' in ended.out
    assert ended.out.count('"value": 1.0') == 5  # every metric: its own predictions are all right


def test_evaluation_on_later_data_with_new_words(program: Program, base: Path, tmp_path: Path) -> None:
    later = [[*token_runs.tagged(f"Zoë{n}", "person"), *token_runs.tagged(f"saw {n}")] for n in range(20)]
    path = token_runs.conll(tmp_path / "later.conll", [*later, *token_runs.sentences()[:10]])
    ended = program.run("evaluate", base / "full", f"data.path={path}", "data.group=")
    assert ended.code == 0, ended.err
    assert "30 examples (all)" in ended.out
    assert F1 in ended.out


def test_evaluation_on_a_tag_that_the_model_does_not_know(program: Program, base: Path, tmp_path: Path) -> None:
    texts = [*token_runs.sentences(), token_runs.tagged("Acme", "company")]
    path = token_runs.conll(tmp_path / "later.conll", texts)
    ended = program.run("evaluate", base / "full", f"data.path={path}", "data.group=")
    assert ended.code == 2
    assert "the tag 'B-company' is not one of task.labels" in ended.err
    skipping = ("data.on_bad_row=skip", "data.group=", "--json")
    ended = program.run("evaluate", base / "full", f"data.path={path}", *skipping)
    assert '"examples": 60' in ended.out


def test_evaluation_on_data_of_another_task_type_is_refused(program: Program, base: Path) -> None:
    ended = program.run("evaluate", base / "full", "data=reviews")
    assert ended.code == 2
    assert "data: reviews does not support the task type 'token-classification'" in ended.err
    assert "data=tagged_text" in ended.err


@pytest.mark.parametrize("group", ["", "docstart"])
def test_evaluation_on_a_single_sentence_is_refused_in_words(
    program: Program, base: Path, tmp_path: Path, group: str
) -> None:
    path = token_runs.conll(tmp_path / "one.conll", token_runs.sentences()[:1], 1)
    ended = program.run("evaluate", base / "full", f"data.path={path}", f"data.group={group}")
    assert ended.code == 2
    assert "too few" in ended.err
    assert "Warning" not in ended.err
    assert "Traceback" not in ended.err


def pipeline_finds(folder: Path, text: str) -> list[tuple[str, str]]:
    """Return the entities that the pipeline of transformers finds."""
    from transformers import pipeline

    found = pipeline("token-classification", model=str(folder), aggregation_strategy="simple")(text)
    return [(text[each["start"] : each["end"]], each["entity_group"]) for each in found]


def test_the_pipeline_of_transformers_finds_the_same_entities(program: Program, base: Path) -> None:
    from transformers import AutoTokenizer

    texts = ["Anna Rossi lives in New York .", "yesterday Bruno left Lima"]
    tokenizer = AutoTokenizer.from_pretrained(str(base / "full" / "model"))
    for text, line in zip(texts, predicted(program, base / "full", *texts), strict=True):
        assert len(tokenizer.tokenize(text)) == len(text.split())  # words of one subword each
        found = token_runs.entities(line)
        assert len(found) == 2
        assert pipeline_finds(base / "full" / "model", text) == found
    ended = program.run("export", base / "full", "--out", base / "exported")
    assert ended.code == 0, ended.err
    assert pipeline_finds(base / "exported", texts[0]) == [("Anna Rossi", "person"), ("New York", "place")]


def from_base(base: Path, name: str, method: str, *more: str) -> list[str]:
    """Start from the weights of the full run, whose head is new again."""
    model = ("model=encoder", f"model.checkpoint={base / 'full' / 'model'}", "model.max_length=12")
    words = token_runs.words(base / "sentences.conll", f"method={method}", "train.max_steps=30", *more, model=model)
    return [*words, f"hydra.run.dir={base / name}"]


@pytest.mark.parametrize("method", ["head", "freeze", "bitfit", pytest.param("qlora", marks=quantizing)])
def test_a_method_learns_from_saved_weights(program: Program, base: Path, method: str) -> None:
    ended = program.run(*from_base(base, method, method))
    assert ended.code == 0, ended.err
    report = text_runs.report(base / method)
    assert report["scores"]["test"][F1]["value"] > 0.5
    assert report["self_test"]["passed"]
    parameters = report["model"]["parameters"]
    assert 0 < parameters["trainable"] < parameters["total"]


def test_a_lora_run_predicts_and_exports_the_same(program: Program, base: Path) -> None:
    ended = program.run(*from_base(base, "lora", "lora", "method.dora=true"))
    assert ended.code == 0, ended.err
    ended = program.run("export", base / "lora", "--out", base / "merged")
    assert ended.code == 0, ended.err
    assert "merged and unmerged outputs differ by" in ended.out
    text = "Anna Rossi lives in New York ."
    (line,) = predicted(program, base / "lora", text)
    assert line["entities"]
    assert pipeline_finds(base / "merged", text) == token_runs.entities(line)


def test_plain_tags_such_as_parts_of_speech(program: Program, tmp_path: Path) -> None:
    kinds = {"O": "other", "B": "name", "I": "name"}
    sentences = [[(word, kinds[tag[0]]) for word, tag in text] for text in token_runs.sentences()]
    path, run = token_runs.conll(tmp_path / "kinds.conll", sentences), tmp_path / "run"
    plain = ("metrics=plain_tags", "task.primary=token_accuracy", "train.max_steps=30")
    ended = program.run(*token_runs.words(path, *plain), f"hydra.run.dir={run}")
    assert ended.code == 0, ended.err
    report = text_runs.report(run)
    assert report["data"]["labels"] == ["name", "other"]
    assert [row["tag"] for row in report["per_tag"]] == ["name", "other"]
    assert set(report["scores"]["test"]) == {"token_accuracy", "entity_f1_macro"}
    (line,) = predicted(program, run, "Anna left Rome")
    assert line["tags"] == ["name", "other", "name"]
    assert len(line["scores"]) == 3
    assert "entities" not in line
    rows = list(csv.DictReader(io.StringIO(program.run("predict", run, "Anna left", "--format", "csv").out)))
    assert [(row["word"], row["tag"]) for row in rows] == [("Anna", "name"), ("left", "other")]
    copy = path.rename(path.with_suffix(".txt"))
    ended = program.run("predict", str(run), "--file", str(copy))
    assert ended.code == 2
    assert "look like a word and its tag" in ended.err
