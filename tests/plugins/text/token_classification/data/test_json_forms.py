"""JSON: words with tags, and texts with spans as usual tools write them, with every fault of a row.

Covers: plugins/text/token_classification/data/fields.py, plugins/text/token_classification/data/json_files.py,
plugins/text/token_classification/data/label_studio.py, plugins/text/token_classification/data/span_forms.py
"""

from __future__ import annotations

import json

import pytest

from core.errors import DataError

TEXT = "👍 Zoë met Ana in Rio."
SPANS = [(2, 5, "person"), (10, 13, "person"), (17, 20, "place")]
TAGS = ["O", "B-person", "O", "B-person", "O", "B-place", "O"]
OBJECTS = [{"start": start, "end": end, "label": label} for start, end, label in SPANS]
WORDS = ["👍", "Zoë", "met", "Ana", "in", "Rio", "."]


def as_studio(start: int, end: int, label: str) -> dict[str, object]:
    """Return a span as Label Studio exports it; the emoji before it takes two units of UTF-16."""
    return {"start": start + 1, "end": end + 1, "text": TEXT[start:end], "labels": [label]}


def annotation(spans=SPANS, **more):
    result = [{"from_name": "label", "to_name": "text", "type": "labels", "value": as_studio(*each)} for each in spans]
    result.append({"from_name": "mood", "to_name": "text", "type": "choices", "value": {"choices": ["good"]}})
    return {"was_cancelled": False, "ground_truth": False, "result": result, **more}


def task(*annotations):
    return {"id": 1, "data": {"text": TEXT, "ext": "r1"}, "annotations": list(annotations), "predictions": []}


@pytest.mark.parametrize(
    "row",
    [
        {"tokens": WORDS, "ner_tags": TAGS, "pos_tags": ["X"] * 7},
        {"id": 3, "words": WORDS, "labels": TAGS},
        {"text": TEXT, "entities": OBJECTS},
        {"id": 1, "text": TEXT, "label": [list(each) for each in SPANS]},
        {"text": TEXT, "labels": [list(each) for each in SPANS]},
        {"text": TEXT, "entities": [{"id": 9, "start_offset": s, "end_offset": e, "label": x} for s, e, x in SPANS]},
        {"text": TEXT, "spans": [{**each, "token_start": 1, "token_end": 1} for each in OBJECTS], "answer": "accept"},
        {"text": TEXT, "entities": [list(each) for each in reversed(SPANS)]},
        [TEXT, {"entities": [list(each) for each in SPANS]}],
        {"text": TEXT, "entities": {"start": [2, 10, 17], "end": [5, 13, 20], "label": ["person", "person", "place"]}},
        task(annotation()),
        task(annotation([], was_cancelled=True), annotation(), annotation()),
        task(annotation([]), annotation(ground_truth=True)),
        {"text": TEXT, "id": 1, "label": [as_studio(*each) for each in SPANS], "annotator": 1, "annotation_id": 1},
    ],
)
def test_every_form_gives_the_same_tags(read, row):
    (found,) = read([row]).rows
    assert (found.place, found.example.surfaces, found.label) == ("rows.jsonl:1", WORDS, TAGS)
    (listed,) = read(json.dumps([row]), "rows.json").rows
    assert (listed.place, listed.label) == ("rows.json:1", TAGS)


def test_a_json_file_may_have_a_value_per_line(read):
    rows = [[TEXT, {"entities": []}], [TEXT, {"entities": [[2, 5, "person"]]}]]
    for some in (rows, rows[1:]):
        text = "".join(json.dumps(each) + "\n" for each in some)
        assert [row.label.count("O") for row in read(text, "rows.json").rows] == ([7, 6] if len(some) > 1 else [6])


def test_tasks_without_an_annotation_have_no_label_and_those_without_spans_no_entities(read):
    rows = [task(annotation()), task(), task(annotation([]))]
    assert [row.label for row in read(rows).rows] == [TAGS, None, ["O"] * 7]
    short = {"text": TEXT, "id": 1, "annotator": 1, "annotation_id": 1}
    source = read([{**short, "label": [as_studio(*SPANS[0])]}, short])
    assert [row.label.count("O") for row in source.rows] == [6, 7]
    assert "Label Studio" in source.origin


@pytest.mark.parametrize(
    ("row", "code", "level"),
    [
        ({"text": TEXT, "spans": [], "answer": "reject"}, "unaccepted_answers", "blank"),
        ({"text": TEXT, "answer": "ignore"}, "unaccepted_answers", "blank"),
        (task(annotation(was_cancelled=True)), "cancelled_annotations", "blank"),
        (task(annotation(), annotation([])), "annotations_differ", "error"),
    ],
)
def test_answers_that_are_not_accepted_are_skipped_and_counted(read, row, code, level):
    good = task(annotation()) if "data" in row else {"text": TEXT, "spans": OBJECTS, "answer": "accept"}
    rows = list(read([good, row]).rows)
    assert rows[0].label == TAGS
    assert (rows[1].fault.code, rows[1].fault.level) == (code, level)


def test_an_accepted_answer_may_lack_the_field_of_spans(read):
    rows = [{"text": TEXT, "spans": OBJECTS, "answer": "accept"}, {"text": TEXT, "answer": "accept"}]
    assert [row.label for row in read(rows).rows] == [TAGS, ["O"] * 7]


def test_the_words_of_the_data_are_kept(read):
    tokens = [{"text": "can", "start": 0, "end": 3, "id": 0}, {"text": "not", "start": 3, "end": 6, "id": 1}]
    (row,) = read([{"text": "cannot", "tokens": tokens, "spans": [{"start": 3, "end": 6, "label": "x"}]}]).rows
    assert (row.example.surfaces, row.label) == (["can", "not"], ["O", "B-x"])


GOOD_WORDS = {"tokens": ["a", "b"], "tags": ["B-x", "O"], "split": "train"}
GOOD_TEXT = {"text": "é b", "spans": [[0, 1, "x"]], "split": "train"}


@pytest.mark.parametrize(
    ("good", "change", "code", "message"),
    [
        (GOOD_WORDS, {"tags": ["O"]}, "unequal_lengths", "the sentence has 2 words and 1 tags"),
        (GOOD_WORDS, {"tokens": None}, "missing_field", "the field 'tokens' is missing"),
        (GOOD_WORDS, {"tokens": "a b"}, "missing_field", "the field 'tokens' is a str, not a list"),
        (GOOD_WORDS, {"tokens": ["a", " "]}, "empty_word", "word 2 is only white space"),
        (GOOD_WORDS, {"tokens": ["a", None]}, "not_a_text", "word 2 is None"),
        (GOOD_WORDS, {"tokens": [], "tags": []}, "empty_sentences", "no words"),
        (GOOD_WORDS, {"tags": ["O", None]}, "missing_tag", "word 2 has no tag"),
        (GOOD_WORDS, {"tags": ["O", 3]}, "unknown_tag_number", "is the number 3, and the data has no names"),
        (GOOD_WORDS, {"tags": ["O", "I-x"]}, "invalid_tags", "cannot stand after O"),
        (GOOD_TEXT, {"text": None}, "missing_field", "the field 'text' is missing"),
        (GOOD_TEXT, {"text": 3}, "not_a_text", "is a int"),
        (GOOD_TEXT, {"text": " "}, "empty_sentences", ""),
        (GOOD_TEXT, {"text": "\u200b", "spans": []}, "empty_sentences", ""),
        (GOOD_TEXT, {"spans": 3}, "bad_span", "the spans are a int"),
        (GOOD_TEXT, {"spans": {"start": 3}}, "bad_span", "not a list for each property"),
        (GOOD_TEXT, {"spans": {"start": [0], "end": []}}, "bad_span", "not a list for each property"),
        (GOOD_TEXT, {"tokens": [{"start": None, "end": 1}]}, "bad_span", "not an integer"),
        (GOOD_TEXT, {"tokens": [{"start": 0, "end": 9}]}, "bad_span", "the tokens do not fit the text"),
        (GOOD_TEXT, {"spans": [[0, 1]]}, "bad_span", "no start, end and label"),
        (GOOD_TEXT, {"spans": [["0", 1, "x"]]}, "bad_span", "not an integer"),
        (GOOD_TEXT, {"spans": [[0, 1, ["x", "y"]]]}, "bad_span", "has 2 labels"),
        (GOOD_TEXT, {"spans": [[0, 1, ""]]}, "bad_span", "which is not a name"),
        (GOOD_TEXT, {"spans": [[0, 9, "x"]]}, "span_outside", "which has 3 characters"),
        (GOOD_TEXT, {"spans": [[3, 4, "x"]]}, "offsets_in_bytes", "only if they count bytes"),
        (GOOD_TEXT, {"spans": [[0, 1, "x"], [0, 3, "y"]]}, "overlapping_spans", "overlap"),
        (GOOD_TEXT, {"spans": [[0, 1, "x"], [0, 1, "x"]]}, "spans_repeated", ""),
    ],
)
def test_faults_name_their_row(read, good, change, code, message):
    rows = list(read([good, {**good, **change}, good], split="split").rows)
    issues = [row.fault or (row.parts[0][1] if row.parts else None) for row in rows]
    assert [issue and issue.code for issue in issues] == [None, code, None]
    assert rows[1].place == "rows.jsonl:2"
    assert message in issues[1].message
    assert issues[1].cure or issues[1].level != "error"


def test_a_missing_field_and_an_unknown_split(read):
    rows = list(read([GOOD_TEXT, {"text": "a"}, {**GOOD_TEXT, "split": "x"}], split="split").rows)
    assert [row.fault and row.fault.code for row in rows] == [None, "unknown_split", "unknown_split"]
    rows = list(read([GOOD_TEXT, {"text": "a"}]).rows)
    assert rows[1].fault.message == "the field 'spans' is missing"


def test_groups_and_splits_are_fields(read):
    rows = [{**GOOD_WORDS, "doc": 7}, {**GOOD_WORDS, "split": "dev", "doc": None}]
    assert [(row.split, row.group) for row in read(rows, split="split", group="doc").rows] == [(0, "7"), (1, None)]


def test_broken_lines_are_issues_of_their_rows(read):
    text = json.dumps(GOOD_TEXT) + '\n{"text": \n\n"x"\n{"text": "a\\ud800", "spans": []}\n'
    rows = list(read(text, "rows.jsonl").rows)
    assert [row.fault and row.fault.code for row in rows] == [None, "broken_json", "blank_lines"] + ["broken_json"] * 2
    listed = '[{"text": "a b", "spans": []}, {"text": "a\\ud800", "spans": []}, 3]'
    rows = list(read(listed, "rows.json").rows)
    assert [row.fault and row.fault.code for row in rows] == [None, "broken_json", "broken_json"]
    latin = '[\n{"text": "a b", "spans": []},\n {"text": "é", "spans": []}]'.encode("cp1252")
    rows = list(read(latin, "rows.json", encoding="utf-8").rows)
    assert [row.fault and row.fault.code for row in rows] == [None, "undecodable_bytes"]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ('[{"text": "a"},\n oops]', "r.json", "r.json:2: the file is not JSON"),
        ("{\n}", "r.jsonl", r"r.jsonl:1: the line is not JSON"),
        ("\n\n", "r.jsonl", "the file has no rows"),
        ('{"a": 1}', "r.jsonl", "cannot tell which fields hold the words.*The fields are: a"),
        ("text,label\n", "r.csv", "files with the suffix '.csv' are not read"),
    ],
)
def test_files_that_cannot_be_read(read, content, name, message):
    with pytest.raises(DataError) as error:
        read(content, name)
    assert __import__("re").search(message, str(error.value), __import__("re").DOTALL)


def test_fields_can_be_named_and_wrong_names_are_refused(read):
    rows = [{"w": ["a", "b"], "t": ["O", "B-x"]}]
    source = read(rows, tokens="w", tags="t")
    assert [row.label for row in source.rows] == [["O", "B-x"]]
    assert "words from 'w', tags from 't'; scheme iob2" in source.origin
    with pytest.raises(DataError, match=r"data.tags: in rows.jsonl there is no field 'tt'"):
        read(rows, tokens="w", tags="tt")


def test_numbers_are_named_by_the_option_or_the_description_beside_the_file(read, tmp_path):
    rows = [{"tokens": ["a", "b"], "pos_tags": [0, 0], "ner_tags": [1, 0]}]
    assert [row.label for row in read(rows, tag_names=["O", "B-x"]).rows] == [["B-x", "O"]]
    features = {
        "pos_tags": {"feature": {"names": ["NN"], "_type": "ClassLabel"}, "_type": "Sequence"},
        "ner_tags": {"feature": {"names": ["O", "B-y"], "_type": "ClassLabel"}, "_type": "Sequence"},
    }
    (tmp_path / "dataset_info.json").write_text(json.dumps({"features": features}))
    assert [row.label for row in read(rows).rows] == [["B-y", "O"]]
    assert [row.label for row in read(rows, tags="pos_tags").rows] == [["NN", "NN"]]
    with pytest.raises(AssertionError):
        assert [row.label for row in read(rows, tag_names=["O"]).rows] == [["B-y", "O"]]
