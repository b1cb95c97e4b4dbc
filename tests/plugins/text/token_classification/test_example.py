"""Examples of token classification: from words, from texts, from the input of `predict`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import DataError
from plugins.text.token_classification.example import TokenClassification, TokenExample, from_text, joined

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
    assert TYPE.parse('{"a":' * 50_000).text == '{"a":' * 50_000


def test_predict_reads_the_tokens_of_prodigy() -> None:
    tokens = '[{"text": "New York", "start": 3, "end": 11, "id": 0}, {"text": "!", "start": 11, "end": 12, "id": 1}]'
    example = TYPE.parse(f'{{"text": "in New York!", "tokens": {tokens}}}')
    assert example.text == "in New York!"
    assert example.surfaces == ["New York", "!"]


@pytest.mark.parametrize("written", ['{"text": ""}', '{"text": " "}', '{"tokens": []}'])
def test_a_text_without_words_is_an_example(written: str) -> None:
    assert TYPE.parse(written) == TokenExample("", ())


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('{"tokens": [null]}', "word 1 is None, not a text"),
        ('{"tokens": ["a", ""]}', "word 2 is empty"),
        ('{"tokens": [{"text": "Ada"}]}', "word 1 is {'text': 'Ada'}, not a text"),
        ('{"tokens": "Ada slept"}', "'tokens' is a str, not a list"),
        ('{"text": null}', "'text' is missing"),
        ('{"text": ["Ada"]}', "'text' is a list"),
        ('{"text": "Ada", "tokens": [{"start": 2, "end": 9}]}', "the tokens do not fit the text"),
    ],
)
def test_an_object_without_usable_words_is_refused(written: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        TYPE.parse(written)
    (problem,) = error.value.problems
    assert message in problem.message
    assert '{"tokens": ["its", "words"]}' in problem.cure


def test_half_of_a_surrogate_pair_is_refused() -> None:
    problem = TYPE.fault(TYPE.parse('{"tokens": ["a", "\\ud83d"]}'))
    assert problem is not None
    assert "half of a surrogate pair" in problem.message
    assert TYPE.fault(TYPE.parse('{"tokens": ["a", "\\ud83d\\ude00"]}')) is None


def test_content_has_the_text_and_its_words() -> None:
    assert TYPE.content(joined(["Ada", "slept"])) == {"text": "Ada slept", "words": ["Ada", "slept"]}
