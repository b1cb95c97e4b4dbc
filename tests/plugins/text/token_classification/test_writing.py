"""Written tags: entities by character offsets, scores, rows of a CSV, lines of a CoNLL file."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from token_plugin import LABELS, numbers, sure, text

from core.inference.outputs import write_csv
from plugins.text.token_classification import tags, writing
from plugins.text.token_classification.example import TokenClassification, TokenExample, from_text, joined
from plugins.text.token_classification.tags import Tags

TARGET = Tags()
PLAIN = ("DET", "NOUN", "VERB")


def line(example: TokenExample, wanted: str, labels: tuple[str, ...] = LABELS, **more: Any) -> dict[str, Any]:
    """Return a line of predictions that is sure of some tags."""
    written = TARGET.write(sure(numbers(wanted, labels), labels), labels, None, example)
    return TokenClassification().content(example) | written | more


def test_entities_have_offsets_in_the_original_text() -> None:
    example = from_text("Ada\tsaw  New York\nin May 1843.")
    written = line(example, "B-person O B-place I-place O B-date I-date O")
    found = [(each["label"], each["text"]) for each in written["entities"]]
    assert found == [("person", "Ada"), ("place", "New York"), ("date", "May 1843")]
    assert all(example.text[each["start"] : each["end"]] == each["text"] for each in written["entities"])
    assert [each["start"] for each in written["entities"]] == [0, 9, 21]
    assert written["tags"] == ["B-person", "O", "B-place", "I-place", "O", "B-date", "I-date", "O"]


def test_offsets_count_characters_not_bytes() -> None:
    written = line(from_text("🚲 Zoë"), "O B-person")
    assert written["entities"] == [{"start": 2, "end": 5, "text": "Zoë", "label": "person", "score": 1.0}]


def test_what_is_written_is_read_again() -> None:
    """The text at each offset is the entity; a shift by one word or one character breaks this."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        example = joined(["".join(rng.choice(list("abc"), rng.integers(1, 5))) for _ in range(rng.integers(0, 8))])
        chosen = tuple(rng.integers(0, len(LABELS), len(example.words)).tolist())
        written = TARGET.write(sure(chosen), LABELS, None, example)
        _refuse_shifted(example, written)


def _refuse_shifted(example: TokenExample, written: dict[str, Any]) -> None:
    """Check each entity against the words whose tags name it."""
    at = {start: word for word, (start, _) in enumerate(example.words)}
    for each in written["entities"]:
        first = at[each["start"]]
        last = next(word for word, (_, end) in enumerate(example.words) if end == each["end"])
        assert each["text"] == " ".join(example.surfaces[first : last + 1])
        assert written["tags"][first : last + 1] == [f"B-{each['label']}"] + [f"I-{each['label']}"] * (last - first)


@pytest.mark.parametrize("shift", ["words", "characters"])
def test_a_shift_by_one_is_caught(shift: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = writing.entities_of

    def shifted(found: Any, tag_set: Any, example: TokenExample) -> Any:
        by_word = (*example.words[1:], *example.words[:1])
        by_character = tuple((start + 1, end + 1) for start, end in example.words)
        return original(found, tag_set, replace(example, words=by_word if shift == "words" else by_character))

    monkeypatch.setattr(writing, "entities_of", shifted)
    with pytest.raises((AssertionError, KeyError, StopIteration)):
        test_what_is_written_is_read_again()


def test_the_score_is_the_mean_probability_of_the_decisions() -> None:
    prediction = np.zeros((3, len(LABELS)), dtype=np.float32)
    prediction[[0, 1, 2], numbers("I-place I-place O")] = (0.5, 0.75, 0.9)
    prediction[[0, 1, 2], numbers("O O B-date")] = (0.4, 0.25, 0.1)
    prediction[0, numbers("B-place")] = 0.1  # the decision becomes B-place, but the model's own choice was I-place
    (entity,) = TARGET.write(prediction, LABELS, None, text("New York is"))["entities"]
    assert entity == {"start": 0, "end": 8, "text": "New York", "label": "place", "score": 0.625}


def test_plain_tags_have_a_score_per_word() -> None:
    prediction = np.asarray([[0.75, 0.25, 0], [0.125, 0.5, 0.375]], dtype=np.float32)
    written = TARGET.write(prediction, PLAIN, None, text("the boat"))
    assert written == {"tags": ["DET", "NOUN"], "scores": [0.75, 0.5]}


def test_a_text_without_words_has_no_entities() -> None:
    assert line(joined([]), "") == {"text": "", "words": [], "tags": [], "entities": []}
    assert line(joined([]), "", PLAIN) == {"text": "", "words": [], "tags": [], "scores": []}


def test_another_number_of_words_is_refused() -> None:
    with pytest.raises(ValueError, match="'Ada slept' has 2 words, but 1 tags"):
        TARGET.write(sure((0,)), LABELS, None, text("Ada slept"))


def test_targets_are_written_without_scores() -> None:
    example = text("Ada saw York", "B-person O B-place")
    assert TARGET.write_target(example.target, LABELS, example) == [
        {"start": 0, "end": 3, "text": "Ada", "label": "person"},
        {"start": 8, "end": 12, "text": "York", "label": "place"},
    ]
    assert TARGET.write_target((0, 1), PLAIN, text("the boat")) == ["DET", "NOUN"]


def table(lines: list[dict[str, Any]], labels: tuple[str, ...] = LABELS) -> list[dict[str, str]]:
    """Return the rows of the CSV of some lines, read again."""
    out = io.StringIO()
    write_csv((row for each in lines for row in TARGET.rows(each)), out, TARGET.columns(labels))
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def test_a_csv_has_one_row_per_entity() -> None:
    lines = [line(text("Ada saw York"), "B-person O B-place"), line(text("It rains"), "O O")]
    rows = table(lines)
    assert [tuple(row.values()) for row in rows] == [
        ("Ada saw York", "0", "3", "Ada", "person", "1.0"),
        ("Ada saw York", "8", "12", "York", "place", "1.0"),
    ]
    assert list(rows[0]) == ["text", "start", "end", "entity", "label", "score"]


def test_a_csv_of_plain_tags_has_one_row_per_word() -> None:
    rows = table([line(text("the boat"), "DET NOUN", PLAIN)], PLAIN)
    assert [tuple(row.values()) for row in rows] == [
        ("the boat", "the", "DET", "1.0"), ("the boat", "boat", "NOUN", "1.0"),
    ]  # fmt: skip
    assert list(rows[0]) == ["text", "word", "tag", "score"]


def test_rows_name_the_run_if_several_predict() -> None:
    (row,) = TARGET.rows(line(text("York"), "B-place", run="runs/a"))
    assert row["run"] == "runs/a"
    (row,) = TARGET.rows(line(text("boat"), "NOUN", PLAIN, run="runs/a"))
    assert row["run"] == "runs/a"


@pytest.mark.parametrize(("labels", "names"), [(LABELS, "B-person O"), (PLAIN, "NOUN VERB")])
def test_conll_has_a_line_per_word_and_an_empty_one_per_text(labels: tuple[str, ...], names: str) -> None:
    first, second = names.split()
    written = line(text("Ada slept"), names, labels)
    assert tags.CONLL in TARGET.formats
    assert list(TARGET.text_lines(written, "conll")) == [f"Ada\t{first}", f"slept\t{second}", ""]
    assert next(TARGET.text_lines(written | {"run": "runs/a"}, "conll")) == "# run = runs/a"


def test_white_space_in_a_word_cannot_break_a_conll_file() -> None:
    example = TokenClassification().parse(json.dumps({"tokens": ["New\tYork", "a\nb"]}))
    assert list(TARGET.text_lines(line(example, "B-place O"), "conll")) == ["New York\tB-place", "a b\tO", ""]
