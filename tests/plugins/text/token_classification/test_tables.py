"""Tables of the test split: counts by type and by tag, and the most frequent errors."""

from __future__ import annotations

from typing import Any

import pytest
from token_plugin import LABELS, numbers, sure

from core.tasks.targets.encoded import objects
from plugins.text.token_classification import tables
from plugins.text.token_classification.tables import errors_of
from plugins.text.token_classification.tag_set import Span
from plugins.text.token_classification.tags import Tags

PLAIN = ("DET", "NOUN", "O", "VERB")
PAIRS = [
    ("B-date I-date O B-person", "B-date I-date O B-place"),
    ("B-person O B-place I-place", "B-person O B-place O"),
    ("O O", "O I-date"),
    ("B-place", "O"),
    ("B-person", "B-place"),
]
"""True and predicted tags."""


def made(pairs: list[tuple[str, str]], labels: tuple[str, ...] = LABELS) -> dict[str, tables.ResultTable]:
    found = objects(sure(numbers(each, labels), labels) for _, each in pairs)
    return Tags().tables(found, objects(numbers(each, labels) for each, _ in pairs), labels)


def test_entities_are_counted_by_type() -> None:
    per_type = made(PAIRS)["per_type"]
    assert per_type.title == "Entities by type, on the test split"
    rows: list[dict[str, Any]] = per_type.content
    assert [tuple(row.values())[:4] for row in rows] == [("date", 1, 2, 1), ("person", 3, 1, 1), ("place", 2, 3, 0)]
    assert list(rows[0]) == ["type", "entities", "predicted", "correct", "precision", "recall", "f1"]
    assert rows[0]["precision"] == 0.5
    assert rows[1]["recall"] == pytest.approx(1 / 3)
    assert rows[2]["f1"] == 0


def test_errors_of_entities_are_the_most_frequent_first() -> None:
    confusion = made(PAIRS)["confusion"]
    assert confusion.title
    assert [tuple(row.values()) for row in confusion.content] == [
        ("person", "place", "right", 2),
        ("(none)", "date", "invented", 1),
        ("place", "(none)", "missed", 1),
        ("place", "place", "wrong", 1),
    ]
    assert list(confusion.content[0]) == ["true", "predicted", "boundaries", "entities"]


def test_each_wrong_entity_is_one_error() -> None:
    wanted = [Span(0, 4, "a"), Span(5, 6, "b")]
    assert list(errors_of([Span(0, 1, "b"), Span(1, 4, "c")], wanted)) == [
        ("a", "c", "wrong"),
        ("b", "(none)", "missed"),
    ]
    assert list(errors_of(wanted, wanted)) == []
    assert list(errors_of([Span(3, 6, "a")], wanted)) == [("a", "a", "wrong"), ("b", "a", "wrong")]
    assert list(errors_of([], [])) == []


def test_words_are_counted_by_plain_tag() -> None:
    result = made([("DET NOUN O", "DET VERB O"), ("NOUN VERB", "VERB VERB")], PLAIN)
    assert [tuple(row.values())[:4] for row in result["per_tag"].content] == [
        ("DET", 1, 1, 1), ("NOUN", 2, 0, 0), ("O", 1, 1, 1), ("VERB", 1, 3, 1),
    ]  # fmt: skip
    assert [tuple(row.values()) for row in result["confusion"].content] == [("NOUN", "VERB", 2)]
    assert result["per_tag"].content[3]["precision"] == pytest.approx(1 / 3)
    assert "per_type" not in result


def test_the_table_of_errors_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "SHOWN", 2)
    assert len(made(PAIRS)["confusion"].content) == 2


def test_a_split_without_entities_has_empty_counts() -> None:
    assert all(row["entities"] == row["predicted"] == 0 for row in made([("O O", "O O"), ("", "")])["per_type"].content)
