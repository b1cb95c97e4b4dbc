"""Command-line words that train a small token classifier in about a second, and sentences for it to learn from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import text_runs

Tagged = list[tuple[str, str]]
"""The words of a sentence, each with its tag."""

LABELS = ("O", "B-person", "I-person", "B-place", "I-place")
PERSONS = ("Anna", "Bruno", "Émile", "Anna Rossi", "Bruno Weber")
PLACES = ("Rome", "Oslo", "New York", "Lima")
SIZES = (
    "model.hidden_size=32", "model.layers=1", "model.attention_heads=2", "model.vocabulary=400", "model.max_length=12",
)  # fmt: skip
ENCODER = ("model=encoder", "model.init=scratch", "model.architecture=bert", *SIZES)
TRAIN = (
    *text_runs.TRAIN, "train.learning_rate=0.01", "train.epochs=20", "train.max_steps=60", "train.evals_per_epoch=0.1",
)  # fmt: skip


def sentences() -> list[Tagged]:
    """Return sixty sentences, none twice, with persons and places of one or two words."""
    found = []
    for person, place, form in product(PERSONS, PLACES, range(3)):
        who, where = tagged(person, "person"), tagged(place, "place")
        if form == 0:
            found.append([*who, *tagged("lives in"), *where, *tagged(".")])
        elif form == 1:
            found.append([*tagged("yesterday"), *who, *tagged("left"), *where])
        else:
            found.append([*tagged("the train to"), *where, *tagged("was late , said"), *who])
    return found


def tagged(words: str, label: str = "") -> Tagged:
    """Return words with the tags of one entity, or outside of entities."""
    tags = ("I" if at else "B" for at, _ in enumerate(words.split()))
    return [(word, f"{tag}-{label}" if label else "O") for word, tag in zip(words.split(), tags, strict=True)]


def conll(path: Path, texts: Iterable[Tagged], document: int = 0) -> Path:
    """Write a CoNLL file; with `document`, a document has so many sentences."""
    lines: list[str] = []
    for number, text in enumerate(texts):
        if document and number % document == 0:
            lines += ["-DOCSTART-\tO", ""]
        lines += [*(f"{word}\t{tag}" for word, tag in text), ""]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def with_spans(text: Tagged) -> dict[str, Any]:
    """Return a sentence as a text with spans, whose offsets count characters."""
    spans: list[dict[str, Any]] = []
    at = 0
    for word, tag in text:
        if tag.startswith("I-"):
            spans[-1]["end"] = at + len(word)
        elif tag != "O":
            spans.append({"start": at, "end": at + len(word), "label": tag[2:]})
        at += len(word) + 1
    return {"text": " ".join(word for word, _ in text), "spans": spans}


def json_lines(path: Path, rows: Iterable[Any]) -> Path:
    """Write JSON Lines."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def words(path: Path, *more: str, model: Sequence[str] = ENCODER) -> list[str]:
    """Return a command line that trains on tagged texts."""
    return ["task=token_classification", f"data.path={path}", *model, *TRAIN, *more]


def entities(line: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the text and the label of each entity in a line of predictions; check that its offsets fit."""
    for each in line["entities"]:
        assert line["text"][each["start"] : each["end"]] == each["text"]
    return [(each["text"], each["label"]) for each in line["entities"]]
