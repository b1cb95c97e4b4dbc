"""Examples of token classification: from words, from texts, from the input of `predict`."""

from __future__ import annotations

from dataclasses import replace

from plugins.text.token_classification.example import TokenClassification, from_text, joined

TYPE = TokenClassification()


def test_words_are_joined_by_spaces_and_found_again() -> None:
    example = joined(["Ada", "saw", "New", "York"], "a.conll:3")
    assert example.text == "Ada saw New York"
    assert example.surfaces == ["Ada", "saw", "New", "York"]
    assert example.place == "a.conll:3"


def test_white_space_and_targets_do_not_make_another_example() -> None:
    example = from_text("Ada  saw\nOslo")
    assert TYPE.identity(example) == TYPE.identity(replace(joined(["Ada", "saw", "Oslo"]), target=(1, 0, 3)))
    assert TYPE.identity(example) != TYPE.identity(from_text("Ada sawOslo"))


def test_predict_reads_texts_and_json_objects() -> None:
    assert TYPE.parse("Ada's boat").surfaces == ["Ada", "'", "s", "boat"]
    assert TYPE.parse('{"text": "Ada\'s boat"}') == TYPE.parse("Ada's boat")
    assert TYPE.parse('{"tokens": ["Ada\'s", "boat"]}').surfaces == ["Ada's", "boat"]
    assert TYPE.parse('{"neither": 1}').text == '{"neither": 1}'
    assert TYPE.parse("{not json").text == "{not json"


def test_content_has_the_text_and_its_words() -> None:
    assert TYPE.content(joined(["Ada", "slept"])) == {"text": "Ada slept", "words": ["Ada", "slept"]}
