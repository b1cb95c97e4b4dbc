"""Sources of sentences: any form gives the same tags, splits by files, the cache, and texts without tags.

Covers: plugins/text/token_classification/data/faults.py, plugins/text/token_classification/data/reading.py,
plugins/text/token_classification/data/token_rows.py
"""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from core.data import TEST, TRAIN
from core.data.files import row_store
from core.errors import DataError
from core.tasks.task import Task
from plugins.text.token_classification.data.adapters import Entities, TaggedText
from plugins.text.token_classification.tag_set import Span, tags_of
from plugins.text.token_classification.words import split_words

WORDS = ["Ada", "Łódź", "👍", "x", "42", ",", "-", "नमस्ते", "中", "New"]
TASK = Task()


def sentences(seed: int) -> list[tuple[str, list[Span]]]:
    """Return texts with random spans of their words."""
    dice, found = random.Random(seed), []
    for _ in range(8):
        text = "".join(dice.choice(WORDS) + dice.choice((" ", " ", "  ", "\t")) for _ in range(dice.randint(1, 9)))
        spans, at, count = [], 0, len(split_words(text))
        while at < count:
            end = min(count, at + dice.randint(1, 3))
            if dice.random() < 0.5:
                spans.append(Span(at, end, dice.choice(("person", "place"))))
            at = end
        found.append((text, spans))
    found.append(("Ada Ada Ada", [Span(0, 1, "person"), Span(1, 3, "person")]))
    return found


def placed(text: str, spans: list[Span], encoding: str = "utf-32-le", size: int = 4) -> list[tuple[int, int, str]]:
    words = split_words(text)

    def at(index: int) -> int:
        return len(text[:index].encode(encoding)) // size

    return [(at(words[span.start][0]), at(words[span.end - 1][1]), span.label) for span in spans]


def rows_in(form: str, data: list[tuple[str, list[Span]]]) -> tuple[str, str, dict[str, str]]:
    """Return the content and the name of a file in a form, and the options that it needs."""
    if form == "conll":
        blocks = []
        for text, spans in data:
            words = [text[start:end] for start, end in split_words(text)]
            tags = tags_of(spans, len(words))
            blocks.append("".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True)))
        return "\n".join(blocks), "rows.conll", {}
    rows: list[object] = []
    for text, spans in data:
        if form == "tokens":
            words = [text[start:end] for start, end in split_words(text)]
            rows.append({"tokens": words, "tags": tags_of(spans, len(words))})
        elif form == "studio":
            values = [
                {"start": start, "end": end, "text": "", "labels": [label]}
                for start, end, label in placed(text, spans, "utf-16-le", 2)
            ]
            for value, (start, end, _) in zip(values, placed(text, spans), strict=True):
                value["text"] = text[start:end]
            rows.append({"data": {"text": text}, "annotations": [{"result": [{"value": each} for each in values]}]})
        elif form == "bytes":
            rows.append({"text": text, "label": placed(text, spans, "utf-8", 1)})
        else:
            rows.append([text, {"entities": placed(text, spans)}])
    if form == "studio":
        return json.dumps(rows), "rows.json", {}
    lines = "".join(json.dumps(each) + "\n" for each in rows)
    return lines, "rows.jsonl", {"offsets": "bytes"} if form == "bytes" else {}


@pytest.mark.parametrize("form", ["conll", "tokens", "studio", "bytes", "spacy"])
@pytest.mark.parametrize("seed", range(5))
def test_random_spans_in_any_form_give_the_same_words_and_tags(read, form, seed):
    data = sentences(seed)
    content, name, options = rows_in(form, data)
    rows = list(read(content, name, **options).rows)
    assert [row.fault for row in rows] == [None] * len(data)
    for row, (text, spans) in zip(rows, data, strict=True):
        words = [text[start:end] for start, end in split_words(text)]
        assert row.example.surfaces == words
        assert row.label == tags_of(spans, len(words))


def test_examples_are_fetched_by_number_and_large_files_come_from_the_cache(read, tmp_path, monkeypatch):
    data = sentences(1) * 30
    content, name, _ = rows_in("conll", data)
    small = read(content, name)
    monkeypatch.setattr(row_store, "IN_MEMORY_BYTES", 0)
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    large = read(content, name)
    (stored,) = (tmp_path / "cache" / "tables").iterdir()
    before = stored.stat().st_mtime_ns
    again = read(content, name)
    assert stored.stat().st_mtime_ns == before
    every = list(small.rows)
    assert every == list(large.rows) == list(again.rows)
    assert small.findings == again.findings
    picked = np.array([200, 3, 3, 77])
    assert again.take(picked) == [every[number].example for number in picked]
    assert small.digest == again.digest != read(content + "\n", name).digest


def test_files_of_a_folder_are_splits_with_one_scheme(tmp_path):
    (tmp_path / "train.conll").write_text("a I-x\nb B-x\n\nc O\n")
    (tmp_path / "test.conll").write_text("c O\nd I-x\n")
    source = TaggedText(path=str(tmp_path)).load(TASK, 0)
    assert [(row.split, row.label) for row in source.rows] == [
        (TEST, ["O", "B-x"]),
        (TRAIN, ["B-x", "B-x"]),
        (TRAIN, ["O"]),
    ]
    (finding,) = source.findings
    assert "follow the scheme iob1 (detected; data.scheme changes it)" in finding.message
    assert finding.count == 3
    again = TaggedText(train=str(tmp_path / "train.conll"), test=str(tmp_path / "test.conll"), scheme="iob1")
    assert sorted(row.label for row in again.load(TASK, 0).rows) == sorted(row.label for row in source.rows)
    assert again.load(TASK, 0).findings == ()


def test_all_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_text("{}\n")
    (tmp_path / "b.conll").write_text("x\n")
    with pytest.raises(DataError) as error:
        TaggedText(path=str(tmp_path)).load(TASK, 0)
    assert [problem.where for problem in error.value.problems] == ["a.jsonl", "b.conll"]


def test_labels_are_renamed_and_unused_names_refused(read):
    rows = [{"text": "a b", "spans": [[0, 1, "x"]]}]
    assert [row.label for row in read(rows, label_names={"x": "letter"}).rows] == [["B-letter", "O"]]
    with pytest.raises(DataError, match=r"data.label_names: no span has the label y.\n    The data has the labels x"):
        read(rows, label_names={"y": "z"})


def test_options_without_effect_are_refused(read):
    spans, words = {"text": "a b", "spans": [[0, 1, "x"]]}, {"tokens": ["a"], "tags": ["O"]}
    with pytest.raises(DataError, match=r"data.scheme: has no effect: the data has spans, not tags"):
        read([spans], scheme="iob2")
    with pytest.raises(DataError, match=r"data.align: has no effect: the data has tags, not spans"):
        read([words], align="expand")


def test_a_detected_scheme_is_not_plain_where_the_task_has_tags_with_prefixes(tmp_path):
    (tmp_path / "rows.conll").write_text("New place\nYork place\n\nAda person\n")
    path = str(tmp_path / "rows.conll")
    task = Task(labels=["O", "B-person", "I-person", "B-place", "I-place"])
    source = TaggedText(path=path).load(task, 0)
    assert [row.label for row in source.rows] == [["B-place", "I-place"], ["B-person"]]
    assert "scheme io " in source.findings[0].message
    for other in (TaggedText(path=path).load(TASK, 0), TaggedText(path=path, scheme="plain").load(task, 0)):
        assert [row.label for row in other.rows] == [["place", "place"], ["person"]]


def test_changed_spans_are_notes_of_the_row(read):
    rows = [{"text": "abc def", "spans": [[1, 4, "x"]]}]
    (row,) = read(rows, align="expand").rows
    assert row.label == ["B-x", "O"]
    assert [(place, issue.code, issue.level) for place, issue in row.parts] == [
        ("rows.jsonl:1", "spans_trimmed", "note"),
        ("rows.jsonl:1", "spans_extended", "note"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("r.txt", "one two\n\nthree\n", [("one two", "r.txt:1"), ("three", "r.txt:3")]),
        ("r.conll", "one\ntwo\n\nthree\n", [("one two", "r.conll:1"), ("three", "r.conll:4")]),
        ("r.conll", "one O\ntwo O\n", [("one two", "r.conll:1")]),
        ("r.jsonl", '{"id": 1, "text": "one two"}\n', [("one two", "r.jsonl:1")]),
        ("r.jsonl", '{"tokens": ["one", "two"]}\n', [("one two", "r.jsonl:1")]),
        ("r.json", '[{"data": {"text": "one two"}, "annotations": []}]', [("one two", "r.json:1")]),
        ("r.json", '[{"data": {"text": "a"}, "annotations": [{"was_cancelled": true}]}]', [("a", "r.json:1")]),
        ("r.jsonl", '{"text": "a", "answer": "reject"}\n', [("a", "r.jsonl:1")]),
    ],
)
def test_texts_without_tags(tmp_path, name, content, expected):
    (tmp_path / name).write_text(content)
    found = TaggedText().unlabelled(TASK, tmp_path / name)
    assert [(each.text, each.place) for each in found] == expected
    assert [each.target for each in found] == [None] * len(expected)


def test_a_text_without_words_is_kept_for_predictions_which_then_match_the_rows(tmp_path):
    (tmp_path / "r.jsonl").write_text('{"text": "a"}\n\n{"text": ""}\n{"text": " "}\n{"text": "b"}\n')
    found = TaggedText().unlabelled(TASK, tmp_path / "r.jsonl")
    assert [(each.surfaces, each.place) for each in found] == [
        (["a"], "r.jsonl:1"),
        ([], "r.jsonl:3"),
        ([], "r.jsonl:4"),
        (["b"], "r.jsonl:5"),
    ]
    (tmp_path / "w.jsonl").write_text('{"tokens": ["a"]}\n{"tokens": []}\n')
    assert [each.surfaces for each in TaggedText().unlabelled(TASK, tmp_path / "w.jsonl")] == [["a"], []]


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ("-DOCSTART- -X- O\n\nEU NNP B-ORG\nrejects VBZ O\n", None),
        ("Ada\tPER\nslept\tO\n", None),
        ("the DET\ncat NOUN\n\nsleeps VERB\n", ["DET", "NOUN"]),
    ],
)
def test_a_text_file_with_tags_in_a_column_is_refused(tmp_path, content, labels):
    (tmp_path / "test.txt").write_text(content)
    for adapter in (TaggedText(path="train.conll"), Entities()):
        with pytest.raises(DataError, match=r"look like a word and its tag") as error:
            adapter.unlabelled(Task(labels=labels), tmp_path / "test.txt")
        assert "Rename it to test.conll" in str(error.value)


@pytest.mark.parametrize(
    "content", ["Ada Lovelace\nMary Shelley\n", "I am O\nyou are here now\n", "O\nI\n", "plan B-2\na\n"]
)
def test_a_text_file_without_a_column_of_tags_has_a_text_per_line(tmp_path, content):
    (tmp_path / "r.txt").write_text(content)
    found = TaggedText(path="train.conll").unlabelled(Task(labels=["O", "B-x", "I-x"]), tmp_path / "r.txt")
    assert [each.text for each in found] == content.splitlines()


def test_a_text_file_is_refused_where_text_files_of_the_run_were_conll(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "train.txt").write_text("a O\n")
    (tmp_path / "words.txt").write_text("Ada\nslept\n")
    for options in ({"path": "gone/train.txt"}, {"train": "gone/*.txt"}, {"path": str(tmp_path / "own")}):
        with pytest.raises(DataError, match=r"as the run's own .txt files") as error:
            TaggedText(**options).unlabelled(TASK, tmp_path / "words.txt")
        assert f"predict RUN < {tmp_path / 'words.txt'}" in str(error.value)
    (found,) = TaggedText(path="gone/train.txt", format="conll").unlabelled(TASK, tmp_path / "words.txt")
    assert found.surfaces == ["Ada", "slept"]


def test_texts_without_tags_that_cannot_be_used(tmp_path):
    (tmp_path / "r.jsonl").write_text('{"text": "a"}\n{"text": 3}\n')
    with pytest.raises(DataError, match=r"r.jsonl:2: the field 'text' is a int"):
        TaggedText().unlabelled(TASK, tmp_path / "r.jsonl")
    (tmp_path / "r.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match=r"r.txt:1: the byte 0xE9 is not valid utf-8"):
        TaggedText(encoding="utf-8").unlabelled(TASK, tmp_path / "r.txt")


@pytest.mark.parametrize(
    ("value", "message"),
    [("[" * 200_000, "within each other"), ("1" * 5_000, "cannot be read")],
    ids=["nested", "long"],
)
def test_values_that_python_cannot_read_are_faults(read, value, message):
    with pytest.raises(DataError, match=message):
        read(f'[{{"text": "a", "spans": {value}}}]', "rows.json")
    first = '{"text": "a", "spans": []}\n'
    assert [row.fault and row.fault.code for row in read(first + value, "rows.jsonl").rows] == [None, "broken_json"]
