"""Text classification: how its examples are parsed, written and compared."""

from __future__ import annotations

import pytest

from core.tasks.text import TextClassification, TextExample

TASK_TYPE = TextClassification()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a text", TextExample("a text")),
        ('{"text": "a", "pair": "b"}', TextExample("a", pair="b")),
        (' {"text": 3}', TextExample("3")),
        ("{a brace}", TextExample("{a brace}")),
        ('{"other": "a"}', TextExample('{"other": "a"}')),
        ('{"a":' * 50_000, TextExample('{"a":' * 50_000)),
    ],
    ids=["text", "pair", "number", "brace", "other", "nested"],
)
def test_an_argument_is_a_text_or_a_json_object(text: str, expected: TextExample) -> None:
    assert TASK_TYPE.parse(text) == expected


def test_texts_that_differ_in_white_space_alone_are_duplicates() -> None:
    identity = TASK_TYPE.identity
    assert identity(TextExample("a  b\n", target=0)) == identity(TextExample(" a b", target=1))
    assert identity(TextExample("a b")) != identity(TextExample("a", pair="b"))
    assert identity(TextExample("a", pair="b")) != identity(TextExample("b", pair="a"))


def test_a_pair_is_written_with_both_texts() -> None:
    assert TASK_TYPE.content(TextExample("a")) == {"text": "a"}
    assert TASK_TYPE.content(TextExample("a", pair="b")) == {"text": "a", "pair": "b"}


def test_half_of_a_surrogate_pair_is_refused() -> None:
    for text in ('{"text": "a \\ud83d"}', '{"text": "a", "pair": "\\ud83d"}'):
        problem = TASK_TYPE.fault(TASK_TYPE.parse(text))
        assert problem is not None
        assert "\\ud83d, half of a surrogate pair" in problem.message
        str(problem).encode()
    assert TASK_TYPE.fault(TASK_TYPE.parse('{"text": "a \\ud83d\\ude00", "pair": "b"}')) is None
