"""Schemes of tags: each is detected and converted to IOB2, and invalid sequences are named."""

from __future__ import annotations

import random

import pytest

from core.errors import DataError
from plugins.text.token_classification.data.schemes import count_pairs, find_scheme
from plugins.text.token_classification.tag_set import Span, tags_of


def written(spans: list[Span], count: int, scheme: str) -> list[str]:
    """Return the tags of spans in a scheme, from its definition."""
    tags = ["O"] * count
    for number, (start, end, label) in enumerate(spans):
        touches = number and spans[number - 1].end == start and spans[number - 1].label == label
        for at in range(start, end):
            first, last = at == start, at == end - 1
            mark = {
                "iob2": "B" if first else "I",
                "iob1": "B" if first and touches else "I",
                "bioes": "S" if first and last else "B" if first else "E" if last else "I",
                "bilou": "U" if first and last else "B" if first else "L" if last else "I",
            }[scheme]
            tags[at] = f"{mark}-{label}"
    return tags


def some_spans(dice: random.Random, count: int) -> list[Span]:
    spans, at = [], 0
    while at < count:
        end = min(count, at + dice.randint(1, 3))
        if dice.random() < 0.5:
            spans.append(Span(at, end, dice.choice(("person", "place-name"))))
        at = end
    return spans


def convert(sentences: list[list[str]], wanted: str = "auto", names: dict[str, str] | None = None):
    scheme = find_scheme(count_pairs(sentences), wanted, names or {})
    return scheme, [scheme.convert(tags) for tags in sentences]


@pytest.mark.parametrize("scheme", ["iob1", "iob2", "bioes", "bilou"])
@pytest.mark.parametrize("seed", range(20))
def test_every_scheme_is_detected_and_gives_the_same_tags(scheme, seed):
    dice = random.Random(seed)
    counts = [dice.randint(1, 9) for _ in range(12)]
    spans = [some_spans(dice, count) for count in counts]
    sentences = [written(each, count, scheme) for each, count in zip(spans, counts, strict=True)]
    found, tags = convert(sentences)
    assert found.name == scheme.replace("bilou", "bioes")
    assert tags == [tags_of(each, count) for each, count in zip(spans, counts, strict=True)]
    assert convert(sentences, found.name)[1] == tags


def test_without_spans_every_scheme_gives_the_same():
    for wanted in ("auto", "iob1", "iob2", "bioes", "io"):
        assert convert([["O", "O"]], wanted)[1] == [["O", "O"]]


def test_runs_of_bare_labels_are_spans():
    scheme, (tags,) = convert([["PER", "PER", "O", "LOC", "PER"]])
    assert scheme.name == "io"
    assert tags == ["B-PER", "I-PER", "O", "B-LOC", "B-PER"]
    assert convert([["I-PER", "I-PER", "O"]], "io")[1] == [["B-PER", "I-PER", "O"]]


def test_parts_of_speech_stay_as_they_are():
    scheme, (tags,) = convert([["DT", "NN", "."]], names={"NN": "noun"})
    assert scheme.name == "plain"
    assert tags == ["DT", "noun", "."]
    assert convert([["N", "O", "V"]], "plain")[1] == [["N", "O", "V"]]


@pytest.mark.parametrize(
    ("tags", "style"),
    [
        (["PER-B", "PER-I", "O"], "suffixes"),
        (["B_PER", "I_PER", "O"], "prefixes with _"),
        (["B", "I", "O"], "marks without labels"),
    ],
)
def test_other_ways_of_writing_are_read_and_named(tags, style):
    scheme, (found,) = convert([tags])
    assert scheme.style == style
    assert found == (["B-PER", "I-PER", "O"] if "PER" in tags[0] else ["B-span", "I-span", "O"])


@pytest.mark.parametrize(
    ("scheme", "tags", "message"),
    [
        ("iob2", "O I-a", "I-a of word 2 cannot stand after O"),
        ("iob2", "B-a I-b", "I-b of word 2 cannot stand after B-a"),
        ("iob2", "I-a", "I-a of word 1 cannot stand at the start of the sentence"),
        ("iob1", "O B-a", "B-a of word 2 cannot stand after O"),
        ("iob1", "I-b B-a", "B-a of word 2 cannot stand after I-b"),
        ("bioes", "O E-a", "E-a of word 2 cannot stand after O"),
        ("bioes", "B-a S-a", "S-a of word 2 cannot stand after B-a"),
        ("bioes", "B-a O", "O of word 2 cannot stand after B-a"),
        ("bioes", "B-a E-b", "E-b of word 2 cannot stand after B-a"),
        ("bioes", "U-a L-a", "L-a of word 2 cannot stand after U-a"),
        ("bioes", "B-a I-a", "the span of the last tag I-a is not complete"),
    ],
)
def test_invalid_sequences_are_named(scheme, tags, message):
    (issue,) = convert([tags.split()], scheme)[1]
    assert issue.code == "invalid_tags"
    assert message in issue.message
    assert f"(scheme {scheme})" in issue.message


def test_a_few_mistakes_do_not_change_the_detected_scheme():
    sentences = [["B-a", "I-a", "O"]] * 5 + [["O", "I-a"]]
    scheme, tags = convert(sentences)
    assert scheme.name == "iob2"
    assert [isinstance(each, list) for each in tags] == [True] * 5 + [False]


@pytest.mark.parametrize(
    ("tags", "wanted", "message"),
    [
        (["B-a", "X-b", "O"], "auto", "the tags X-b are not written as those of a known scheme"),
        (["a", "b", "O"], "iob2", "the tags a, b are not written as those of the scheme iob2"),
        (["B-a", "E-a", "O"], "iob2", "the scheme iob2 has no tags such as E-a"),
        (["B-a", "O"], "io", "the scheme io has no tags such as B-a"),
        (["B-a", "x"], "plain", "the scheme plain has no tags such as B-a"),
    ],
)
def test_tags_of_no_or_another_scheme_are_refused_with_what_was_seen(tags, wanted, message):
    with pytest.raises(DataError, match=message) as error:
        convert([tags], wanted)
    assert "The data has the tags" in str(error.value)


def test_labels_are_renamed_and_neighbors_stay_apart():
    assert convert([["B-a", "B-b", "I-b", "O"]], names={"a": "x", "b": "x"})[1] == [["B-x", "B-x", "I-x", "O"]]
