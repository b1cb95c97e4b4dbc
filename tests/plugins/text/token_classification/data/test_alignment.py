"""Spans as tags of words: what is trimmed, extended, left out or refused."""

from __future__ import annotations

import pytest

from plugins.text.token_classification.data.alignment import align
from plugins.text.token_classification.data.faults import BadRowError
from plugins.text.token_classification.data.offsets import LabeledSpan
from plugins.text.token_classification.words import split_words

TEXT = "In Rio de Janeiro, Ana-Lu slept."


def aligned(*spans: tuple[int, int, str], expand: bool = False):
    words = split_words(TEXT)
    tags, notes = align(TEXT, words, [LabeledSpan(*each) for each in spans], expand)
    found = [(TEXT[start:end], tag) for (start, end), tag in zip(words, tags, strict=True) if tag != "O"]
    return found, notes


def test_spans_become_tags_in_any_order():
    found, notes = aligned((19, 25, "person"), (3, 17, "place"))
    assert [tag for _, tag in found] == ["B-place", "I-place", "I-place", "B-person", "I-person", "I-person"]
    assert notes == []


def test_white_space_is_trimmed_and_repeated_spans_are_left_out():
    assert aligned((2, 7, "place"), (3, 6, "place")) == ([("Rio", "B-place")], ["spans_trimmed", "spans_repeated"])


def test_invisible_characters_at_the_ends_of_a_span_are_trimmed():
    text = "\ufeffRio\u200b slept"
    words = split_words(text)
    assert align(text, words, [LabeledSpan(0, 5, "place")], False) == (["B-place", "O"], ["spans_trimmed"])
    with pytest.raises(BadRowError, match="only white space"):
        align(text, words, [LabeledSpan(4, 6, "place")], False)


def test_spans_that_cut_words_are_errors_or_extended():
    with pytest.raises(BadRowError, match="'Jan', cuts a word of 'Janeiro'") as error:
        aligned((10, 13, "place"))
    assert error.value.issue.code == "span_cuts_word"
    assert aligned((10, 13, "place"), expand=True) == ([("Janeiro", "B-place")], ["spans_extended"])


@pytest.mark.parametrize(
    ("spans", "expand", "code"),
    [
        ([(3, 6, "place"), (3, 6, "person")], False, "overlapping_spans"),
        ([(3, 17, "place"), (7, 9, "person")], False, "overlapping_spans"),
        ([(10, 12, "place"), (13, 17, "person")], True, "overlapping_spans"),
        ([(3, 3, "place")], False, "empty_span"),
        ([(6, 3, "place")], False, "empty_span"),
        ([(18, 19, "place")], False, "empty_span"),
    ],
)
def test_spans_that_words_cannot_have(spans, expand, code):
    with pytest.raises(BadRowError) as error:
        aligned(*spans, expand=expand)
    assert error.value.issue.code == code


def test_a_span_between_the_datas_own_words():
    with pytest.raises(BadRowError, match="contains no word"):
        align("a, b", [(0, 1), (3, 4)], [LabeledSpan(1, 2, "x")], True)
