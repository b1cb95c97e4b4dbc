"""Encoded tags: names in their order, names or types that the user gives, tags that are refused, strata."""

from __future__ import annotations

import pytest

from core.data.rows import RowIssue
from core.tasks.targets.encoded import Encoded
from core.tasks.task import Task
from plugins.text.token_classification.encoder import TagEncoder, rarest, tags_in_order


def encoded(*rows: str, labels: list[str] | None = None) -> tuple[Encoded, list[str]]:
    """Return the targets of rows of tags, and the messages of the problems."""
    encoder = TagEncoder(Task(labels=labels))
    for row in rows:
        assert encoder.add(row.split()) is None, row
    found, problems = encoder.finish()
    return found, [message for message, _ in problems]


def issue_of(tags: object, labels: list[str] | None = None) -> RowIssue:
    issue = TagEncoder(Task(labels=labels)).add(tags)
    assert issue is not None
    return issue


def test_outside_comes_first_then_both_tags_of_each_type_in_natural_order() -> None:
    found, problems = encoded("B-room10 I-room10 O", "O B-room9", "B-Ämter B-person I-person")
    assert found.labels == ("O", "B-person", "I-person", "B-room9", "B-room10", "I-room10", "B-Ämter")
    assert list(found) == [(4, 5, 0), (0, 3), (6, 1, 2)]
    assert problems == []


def test_plain_tags_are_sorted() -> None:
    found, problems = encoded("NOUN VERB", "DET NOUN", "")
    assert found.labels == ("DET", "NOUN", "VERB")
    assert list(found) == [(1, 2), (0, 1), ()]
    assert problems == []


def test_the_tag_that_begins_a_span_exists_where_only_the_other_occurs() -> None:
    assert tags_in_order(["I-place", "O"]) == ("O", "B-place", "I-place")


def test_equal_targets_are_stored_once() -> None:
    found, _ = encoded(*["O O B-place"] * 50, "O")
    assert len(found) == 51
    assert found.table == ((0, 0, 1), (0,))


def test_types_stand_for_their_tags() -> None:
    found, problems = encoded("O B-place I-place", labels=["person", "place"])
    assert found.labels == ("O", "B-person", "I-person", "B-place", "I-place")
    assert list(found) == [(0, 3, 4)]
    assert problems == []


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (["O B-place"], ["O", "B-person", "I-person", "B-place", "I-place"]),
        (["O B-place"], ["B-place", "O"]),
        (["NOUN VERB"], ["VERB", "NOUN", "X"]),
        (["O place", "O"], ["O", "place"]),
        (["O O"], ["O", "place"]),
    ],
)
def test_tag_names_are_kept_in_the_given_order(rows: list[str], labels: list[str]) -> None:
    found, _ = encoded(*rows, labels=labels)
    assert found.labels == tuple(labels)


def test_labels_of_a_run_can_be_given_again() -> None:
    for rows, labels in (["O B-b I-b B-a"], ["a", "b"]), (["O B-b"], None), (["y x"], None):
        first, _ = encoded(*rows, labels=labels)
        again, problems = encoded(*rows, labels=list(first.labels))
        assert (again.labels, list(again), problems) == (first.labels, list(first), [])


@pytest.mark.parametrize(
    ("tag", "labels", "close", "added"),
    [
        ("B-persn", ["person", "place"], "person", "persn"),
        ("I-palce", ["O", "B-place", "I-place"], "I-place", "I-palce"),
        ("NUON", ["NOUN", "VERB"], "NOUN", "NUON"),
        ("persn", ["person", "place"], "person", "persn"),
    ],
)
def test_an_unknown_tag_is_refused_with_the_nearest(tag: str, labels: list[str], close: str, added: str) -> None:
    issue = issue_of([tag], labels)
    assert issue.code == "unknown_tag"
    assert issue.message == f"the tag {tag!r} is not one of task.labels"
    assert issue.cure == f"Did you mean {close!r}? Add {added!r} to task.labels, or correct the row."


@pytest.mark.parametrize("labels", [["person"], ["O", "B-person", "I-person"]])
def test_a_tag_is_not_near_another_one_because_of_its_prefix(labels: list[str]) -> None:
    assert "Did you mean" not in issue_of(["B-place"], labels).cure


@pytest.mark.parametrize("raw", [None, "B-place", 3, float("nan")])
def test_something_else_than_a_sequence_is_refused(raw: object) -> None:
    assert issue_of(raw).code == "missing_tags"


@pytest.mark.parametrize("raw", [None, "", "  ", float("nan")])
def test_a_word_without_a_tag_is_refused(raw: object) -> None:
    assert issue_of(["O", raw]).code == "missing_tag"


def test_tags_with_and_without_prefixes_do_not_mix() -> None:
    _, problems = encoded("O B-place", "O place X")
    assert problems == ["some tags begin with B- or I-, but others do not: X, place."]
    _, problems = encoded("O B-place", "O place", labels=["place"])
    assert problems == ["some tags begin with B- or I-, but others do not: place."]


def test_outside_is_refused_where_plain_tags_are_given_without_it() -> None:
    _, problems = encoded("NOUN O", labels=["NOUN", "VERB"])
    assert problems == ["the tag 'O' is not one of task.labels."]


def test_there_must_be_something_to_learn() -> None:
    assert encoded("O O", "O")[1] == ["every word has the tag 'O', so there is nothing to learn."]
    assert encoded("X X", labels=["X"])[1] == ["every word has the tag 'X', so there is nothing to learn."]
    assert encoded("", "")[1] == ["no text has a word."]


@pytest.mark.parametrize("labels", [["place"], ["O", "B-place", "I-place"], ["O", "NOUN"]])
def test_texts_without_entities_can_be_evaluated_with_given_tags(labels: list[str]) -> None:
    found, problems = encoded("O O", "O", labels=labels)
    assert problems == []
    assert {found.labels[tag] for target in found for tag in target} == {"O"}


def test_a_text_belongs_to_the_stratum_of_its_rarest_type() -> None:
    found, _ = encoded("B-person I-person O", "B-person B-place", "O O", "B-person", "O B-place I-place B-place", "O")
    person, place, none = found.strata()[[0, 1, 2]]
    assert len({person, place, none}) == 3
    assert found.strata().tolist() == [person, place, none, person, place, none]


def test_strata_of_plain_tags_are_few() -> None:
    rows = [" ".join(["DET"] * (row % 7) + ["NOUN"] * (1 + row % 5) + ["VERB"] * (row % 2)) for row in range(70)]
    found, _ = encoded(*rows)
    assert len(set(found.table)) == 70
    assert len(set(found.strata().tolist())) == 3


def test_rarest_member() -> None:
    assert rarest([{1, 2}, {1}, set(), {2, 3}, {3, 2}]).tolist() == [1, 1, -1, 3, 3]


def test_outside_is_never_suggested_for_a_type_of_entity() -> None:
    cure = issue_of(["B-ORG"], ["O", "B-date", "I-date", "B-organization"]).cure
    assert "'B-O'" not in cure
    assert "Add 'B-ORG' to task.labels" in cure
