"""Words: scripts with and without spaces, combining marks, punctuation."""

from __future__ import annotations

import pytest

from plugins.text.token_classification.words import split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Maria's boat", ["Maria", "'", "s", "boat"]),
        ("Paris-based, 3.5 %", ["Paris", "-", "based", ",", "3", ".", "5", "%"]),
        ("  two\tlines\n", ["two", "lines"]),
        ("नई दिल्ली", ["नई", "दिल्ली"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("東京タワー at 9", ["東", "京", "タ", "ワ", "ー", "at", "9"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("\ufeffAnna\u200b \u200d left\x07", ["Anna", "left"]),
        ("👩\u200d🚀 left", ["👩", "🚀", "left"]),
        ("\u200b", []),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_digits_and_marks(text: str, words: list[str]) -> None:
    places = split_words(text)
    assert [text[start:end] for start, end in places] == words
