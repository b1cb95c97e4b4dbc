"""Bad input of token classification: one clear message with the place and the cure, exit code 2, no traceback.

Composing a command line takes most of a second, so most cases begin after it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import token_runs

from core.config.compose import resolve
from core.config.validation import check
from core.errors import ConfigError, DataError
from core.tasks.task import Task
from plugins.text.token_classification.data.adapters import TaggedText

Graft = Callable[..., tuple[int, str, str]]
GOOD = token_runs.sentences()
SPANS = [token_runs.with_spans(text) for text in GOOD]


def refused(graft: Graft, *words: object) -> str:
    """Return the standard error of a command line that must be refused."""
    code, out, err = graft(*words)
    assert code == 2, err
    assert out == ""
    assert "Traceback" not in err
    assert "Warning" not in err
    return err


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("model=llama", ["decoder does not support the task type 'token-classification'", "model=token_encoder"]),
        ("model=resnet", ["timm does not support the task type 'token-classification'", "model=token_encoder"]),
        ("metrics=classification", ["no metric 'entity_f1_micro'", "accuracy does not accept the target type 'tags'"]),
        ("data=reviews", ["reviews does not support the task type", "data=entities, data=hub_tags, data=tagged_text"]),
        ("task.target=single", ["no target type of token-classification 'single'", "There are: tags."]),
        ("method=prompt", ["prompt cannot adapt token_encoder: it supports text-classification"]),
        ("method=prefix", ["prefix cannot adapt token_encoder: it supports text-classification"]),
        ("task.primary=f1_macro", ["no metric 'f1_macro'", "Did you mean 'entity_f1_macro'?"]),
    ],
)
def test_configurations(word: str, expected: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        check(resolve(["task=ner", "model=minilm", word] if "model" not in word else ["task=ner", word]))
    for each in expected:
        assert each in str(error.value)
    assert (len(error.value.problems) == 1) == (word.partition("=")[0] not in ("metrics", "method"))


def test_components_of_token_classification_in_another_task() -> None:
    with pytest.raises(ConfigError) as error:
        check(resolve(["task=sentiment", "data=entities", "model=token_encoder"]))
    for each in ("data: entities", "model: token_encoder"):
        assert f"{each} does not support the task type 'text-classification'" in str(error.value)


def test_the_command_line_shows_a_wrong_configuration(graft: Graft) -> None:
    err = refused(graft, "task=ner", "model=llama")
    assert "The configuration is wrong:\n  model: decoder does not support the task type" in err


def test_the_command_line_shows_wrong_data(graft: Graft, tmp_path: Path) -> None:
    path = token_runs.conll(tmp_path / "a.conll", GOOD)
    err = refused(graft, *token_runs.words(path, "data.tag_column=5", "hydra.run.dir=run"))
    assert "The data cannot be used:\n  data.tag_column: there is no column 5: a.conll has 2 columns." in err


def two_columns(texts: list[token_runs.Tagged], separator: str = "\t", middle: str = "") -> str:
    """Return a CoNLL file, perhaps with a column in the middle."""
    return "\n".join("".join(f"{word}{separator}{middle}{tag}\n" for word, tag in text) for text in texts)


THREE = two_columns(GOOD, middle="X\t")
CSV = "text,label\n" + "".join(f"Anna saw number {n},good\n" for n in range(30))
UNEQUAL = {"tokens": ["Anna", "left", "Rome"], "tags": ["B-person", "O"]}
WORDS = [{"tokens": [word for word, _ in text], "tags": [tag for _, tag in text]} for text in GOOD]
IN_BYTES = [
    {"text": f"Émile {n} à Zürich", "spans": [{"start": 11 + n // 10, "end": 18 + n // 10, "label": "place"}]}
    for n in range(30)
]


COLUMNS, COMMAS = two_columns(GOOD), two_columns(GOOD, ",")
OUTSIDE = two_columns([token_runs.tagged(f"it rained {n}") for n in range(30)])
TOO_LONG = {"text": "Anna", "spans": [{"start": 0, "end": 9, "label": "person"}]}
CUTTING = {"text": "Annabel", "spans": [{"start": 0, "end": 4, "label": "person"}]}
WITHOUT = [{"text": f"it rains {n}", "spans": []} for n in range(30)]


@pytest.mark.parametrize(
    ("name", "content", "options", "expected"),
    [
        ("a.conll", THREE, {"tag_column": 5}, ["data.tag_column: there is no column 5: a.conll has 3 columns."]),
        ("a.conll", THREE, {"tag_column": 1}, ["tags from 1", "every word has the tag 'X'", "which column"]),
        ("a.conll", CSV, {}, ["a.conll:1: the line has 1 column, but the file has", "Give each line a word and"]),
        ("a.csv", CSV, {}, ["files with the suffix '.csv' are not read", "data.format=conll"]),
        ("a.conll", COMMAS, {}, ["its lines have one column, so no tags", "Put a tab or a space between"]),
        ("a.conll", COLUMNS + "\nAnna\n", {}, ["a.conll:", "the line has 1 column, but the file has 2"]),
        ("a.conll", COLUMNS + "\nAnna\tX-person\n", {}, ["data.scheme", "X-person", "Schemes: iob1, iob2"]),
        ("a.conll", COLUMNS, {"scheme": "bioes"}, ["a.conll:1: the tag", "(scheme bioes)", "data.scheme"]),
        ("a.conll", COLUMNS, {"group": "docstart"}, ["a.conll has no lines -DOCSTART-"]),
        ("a.conll", COLUMNS, {"offsets": "bytes"}, ["data.offsets: has no effect: the data has tags, not spans."]),
        ("a.conll", OUTSIDE, {}, ["every word has the tag 'O', so there is nothing", "Add texts with entities"]),
        ("a.conll", "", {}, ["a.conll: the file is empty."]),
        ("a.conll", "\n\n", {}, ["a.conll: the file has no sentences."]),
        ("a.jsonl", "", {}, ["a.jsonl: the file is empty."]),
        ("a.jsonl", [*WORDS, UNEQUAL], {}, ["a.jsonl:61: the sentence has 3 words and 2 tags", "Give each word one"]),
        ("a.jsonl", [*SPANS, TOO_LONG], {}, ["a.jsonl:61: the span 0-9 (person) is outside of", "data.offsets"]),
        ("a.jsonl", [*SPANS, CUTTING], {}, ["a.jsonl:61: the span 0-4 (person), 'Anna', cuts", "data.align=expand"]),
        ("a.jsonl", IN_BYTES, {}, ["fit the words only if they count bytes", "Set data.offsets=bytes."]),
        ("a.jsonl", WITHOUT, {}, ["every word has the tag 'O'", "which column or field holds the tags"]),
        ("a.jsonl", [{"body": "Anna", "notes": []}] * 3, {}, ["a.jsonl", "cannot tell which fields", "data.text"]),
    ],
)
def test_files(
    tmp_path: Path, name: str, content: str | list[Any], options: dict[str, Any], expected: list[str]
) -> None:
    if isinstance(content, str):
        (tmp_path / name).write_text(content, encoding="utf-8")
    else:
        token_runs.json_lines(tmp_path / name, content)
    with pytest.raises(DataError) as error:
        TaggedText(path=str(tmp_path / name), **options).load(task(), 0)
    for each in expected:
        assert each in str(error.value)


def task(labels: list[str] | None = None) -> Task:
    return Task("tokens", "token-classification", "tags", "entity_f1_micro", labels)


def test_types_of_entities_that_are_not_among_the_labels(tmp_path: Path) -> None:
    adapter = TaggedText(path=str(token_runs.conll(tmp_path / "a.conll", GOOD)))
    assert adapter.load(task(["place", "person"]), 0).labels == ("O", "B-place", "I-place", "B-person", "I-person")
    with pytest.raises(DataError) as error:
        adapter.load(task(["person"]), 0)
    assert "the tag 'B-place' is not one of task.labels" in str(error.value)
    assert "\n    Add 'place' to task.labels, or correct the row." in str(error.value)


def test_a_type_that_only_the_test_split_has_is_reported_but_scored(tmp_path: Path) -> None:
    """It lowers recall, as an unknown type does in use."""
    token_runs.conll(tmp_path / "train.conll", GOOD)
    token_runs.conll(tmp_path / "test.conll", [*GOOD[:9], token_runs.tagged("Acme", "company")])
    splits = TaggedText(path=str(tmp_path)).load(task(), 0)
    assert "B-company" in splits.labels
    assert any("no example in the train split: B-company" in finding.message for finding in splits.findings)


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    token_runs.conll(tmp_path / "train.conll", GOOD)
    with pytest.raises(DataError, match=r"Did you mean '.*train.conll'"):
        TaggedText(path=str(tmp_path / "trian.conll")).load(task(), 0)
