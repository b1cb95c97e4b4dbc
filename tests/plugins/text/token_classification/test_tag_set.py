"""Tag sets: spans of valid and invalid sequences, repair, plain tags."""

from __future__ import annotations

import pytest

from plugins.text.token_classification.tag_set import Span, TagSet, tags_of

LABELS = ("O", "B-date", "I-date", "B-place", "I-place")
TAGS = TagSet(LABELS)


def numbers(words: str) -> list[int]:
    return [LABELS.index(word) for word in words.split()]


@pytest.mark.parametrize(
    ("tags", "spans", "repaired"),
    [
        ("O B-date I-date O", [Span(1, 3, "date")], "O B-date I-date O"),
        ("B-date B-date", [Span(0, 1, "date"), Span(1, 2, "date")], "B-date B-date"),
        ("O I-date I-date", [Span(1, 3, "date")], "O B-date I-date"),
        ("B-date I-place", [Span(0, 1, "date"), Span(1, 2, "place")], "B-date B-place"),
        ("I-place O I-place", [Span(0, 1, "place"), Span(2, 3, "place")], "B-place O B-place"),
        ("", [], ""),
    ],
)
def test_spans_and_repair(tags: str, spans: list[Span], repaired: str) -> None:
    assert TAGS.spans(numbers(tags)) == spans
    assert TAGS.repaired(numbers(tags)) == numbers(repaired)
    assert TAGS.spans(TAGS.repaired(numbers(tags))) == spans


def test_spans_become_tags_and_back() -> None:
    spans = [Span(0, 2, "place"), Span(2, 3, "place"), Span(4, 7, "date")]
    tags = tags_of(spans, 8)
    assert tags == ["B-place", "I-place", "B-place", "O", "B-date", "I-date", "I-date", "O"]
    assert TAGS.spans(LABELS.index(tag) for tag in tags) == spans


def test_types_and_the_tag_of_the_rest_of_a_word() -> None:
    assert TAGS.types == ("date", "place")
    assert not TAGS.plain
    assert [LABELS[TAGS.continued(tag)] for tag in range(5)] == ["O", "I-date", "I-date", "I-place", "I-place"]


def test_plain_tags_make_each_word_a_span() -> None:
    plain = TagSet(("NOUN", "VERB"))
    assert plain.plain
    assert plain.outside is None
    assert plain.spans([0, 0, 1]) == [Span(0, 1, "NOUN"), Span(1, 2, "NOUN"), Span(2, 3, "VERB")]
    assert plain.repaired([0, 0, 1]) == [0, 0, 1]
    assert plain.continued(1) == 1


def test_a_label_without_an_inside_tag_is_continued_by_its_begin_tag() -> None:
    tags = TagSet(("O", "B-date"))
    assert tags.continued(1) == 1
