"""Counts of words and entities: spans of many texts at once, exact and partial matches."""

from __future__ import annotations

import numpy as np
import pytest
from token_plugin import LABELS, TAGS, numbers, sure

from plugins.text.token_classification.counts import TagTable, decided, entity_counts, word_counts
from plugins.text.token_classification.tag_set import TagSet

DATE, PERSON, PLACE = range(3)


@pytest.mark.parametrize("labels", [LABELS, ("O", "I-x"), ("B-x", "I-x", "B-y"), ("NOUN", "O", "VERB"), ("B-x",)])
def test_spans_of_many_texts_are_those_of_each_text(labels: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    tags, table = TagSet(labels), TagTable(TagSet(labels))
    texts = [rng.integers(0, len(labels), rng.integers(0, 9)).tolist() for _ in range(300)]
    words = table.true(texts)
    assert words.tags.tolist() == [tag for text in texts for tag in tags.repaired(text)]
    spans = table.spans(words)
    before = np.cumsum([0, *map(len, texts)])
    found = list(zip(spans.text, spans.start, spans.end, spans.label, strict=True))
    assert found == [
        (row, before[row] + start, before[row] + end, tags.types.index(label))
        for row, text in enumerate(texts)
        for start, end, label in tags.spans(text)
    ]


def test_the_decision_is_the_most_probable_tag_repaired() -> None:
    unsure = np.full((2, 7), 0.1, dtype=np.float32)
    unsure[[0, 1], [2, 5]] = 0.4
    assert decided(unsure, TAGS) == list(numbers("B-date B-place"))
    assert decided(np.zeros((0, 7), dtype=np.float32), TAGS) == []


def entities(found: str, wanted: str, partial: bool = False) -> list[list[float]]:
    """Return correct, predicted and true entities of date, person and place in one text."""
    counts = entity_counts([sure(numbers(found))], [numbers(wanted)], TAGS, partial)
    return counts.reshape(3, 3).tolist()


@pytest.mark.parametrize(
    ("found", "wanted", "hits", "partial"),
    [
        ("B-date I-date O", "B-date I-date O", [1, 0, 0], [1, 0, 0]),
        ("I-date I-date O", "B-date I-date O", [1, 0, 0], [1, 0, 0]),  # repaired
        ("B-date O O", "B-date I-date O", [0, 0, 0], [0.5, 0, 0]),
        ("B-person I-person O", "B-date I-date O", [0, 0, 0], [0, 0, 0]),
        ("O O B-date", "B-date I-date O", [0, 0, 0], [0, 0, 0]),
        ("B-date B-date I-date", "B-date I-date I-date", [0, 0, 0], [0.5, 0, 0]),  # one to one
        ("B-date I-date I-date", "B-date B-date I-date", [0, 0, 0], [0.5, 0, 0]),
        ("B-date I-date B-date", "B-date B-date I-date", [0, 0, 0], [1, 0, 0]),
        ("B-place B-date B-place", "B-place B-date I-date", [0, 0, 1], [0.5, 0, 1]),
    ],
)
def test_exact_and_partial_matches(found: str, wanted: str, hits: list[float], partial: list[float]) -> None:
    assert entities(found, wanted)[0] == hits
    assert entities(found, wanted, partial=True)[0] == partial


def test_predicted_and_true_entities_are_counted_by_type() -> None:
    assert entities("B-date B-place I-place B-place", "B-person O O B-place")[1:] == [[1, 0, 2], [0, 1, 1]]


def test_an_entity_ends_with_its_text() -> None:
    texts = [numbers("O B-date"), numbers("I-date O"), (), numbers("I-date")]
    counts = entity_counts([sure(each) for each in texts], texts, TAGS)
    assert counts[:, DATE].tolist() == [1, 1, 0, 1]
    assert counts.shape == (4, 9)


@pytest.mark.parametrize("seed", range(3))
def test_partial_matches_pair_as_many_entities_as_possible(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(60):
        found, wanted = (rng.integers(0, 3, 7).tolist() for _ in range(2))  # O, B-date, I-date
        counts = entity_counts([sure(found)], [wanted], TAGS, partial=True)[0]
        ours, theirs = TAGS.spans(found), TAGS.spans(wanted)
        exact = set(ours) & set(theirs)
        rest = [[span for span in spans if span not in exact] for spans in (ours, theirs)]
        assert counts[DATE] == len(exact) + 0.5 * _most_pairs(*rest)


def _most_pairs(ours: list[tuple[int, int, str]], theirs: list[tuple[int, int, str]]) -> int:
    """Return the largest number of pairs of overlapping spans, by trying all of them."""
    if not ours:
        return 0
    (start, end, _), *rest = ours
    overlapping = [each for each in theirs if each[0] < end and start < each[1]]
    paired = [1 + _most_pairs(rest, [each for each in theirs if each != other]) for other in overlapping]
    return max([_most_pairs(rest, theirs), *paired])


def test_right_words_and_words() -> None:
    texts = [numbers("O B-date I-date"), (), numbers("B-place O")]
    found = [sure(numbers("O I-date O")), sure(()), sure(numbers("B-place O"))]
    assert word_counts(found, texts, TAGS).tolist() == [[2, 3], [0, 0], [2, 2]]


def test_another_number_of_words_is_refused() -> None:
    with pytest.raises(ValueError, match="example 1 has 2 words, but predictions for 1"):
        word_counts([sure(numbers("O")), sure(numbers("O"))], [numbers("O"), numbers("O O")], TAGS)
    with pytest.raises(ValueError, match="example 0 has 1 words, but predictions for 2"):
        entity_counts([sure(numbers("O O")), sure(numbers("O"))], [numbers("O"), numbers("O O")], TAGS)
