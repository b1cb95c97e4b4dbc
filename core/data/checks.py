"""What the data check finds in splits: labels that cannot be learned, leaks, contradictions, imbalance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.rows import NAMES, SHOWN, TEST, TRAIN, VAL
from core.data.splitting import Table
from core.errors import DataError, Problem
from core.issues import DataIssue
from core.tasks.targets.target import Encoded

Places = Callable[[NDArray[np.int64]], Sequence[str]]
IMBALANCE = 5.0
"""The largest label may have so many times the examples of the smallest before it is worth a word."""


def refuse_unknown_labels(
    parts: Sequence[Sequence[Any]], encoded: Encoded, assigned: NDArray[np.int64], origin: str
) -> None:
    """Refuse splits from which a label cannot be learned.

    Where the target type does not need every label, one may be absent; the data check then says so.

    Raises:
        DataError: A label occurs in the validation or test split and not in the training split, or fewer than two
            labels are in the training split.
    """
    if not encoded.labels or not encoded.target.needs_every_label:
        return
    train = encoded.counts(assigned == TRAIN)
    problems = []
    for part in (VAL, TEST):
        for label in np.flatnonzero((encoded.counts(assigned == part) > 0) & (train == 0)):
            having = (each.place for each in parts[part] if label in encoded.target.labels_of(each.target))
            place = next(having, origin)
            problems.append(
                Problem(
                    place,
                    f"the label {encoded.labels[label]!r} is in the {NAMES[part]} split but not in the training split.",
                    "Add training examples of it, correct the label, or let the splits be cut by seed.",
                )
            )
    if problems:
        raise DataError(*problems)


def about(table: Table, assigned: NDArray[np.int64], places: Places) -> Iterator[DataIssue]:
    """Everything worth a word about splits that can be used."""
    yield from _leaks(table, assigned, places)
    yield from _contradictions(table, assigned, places)
    yield from _repeats(table, assigned, places)
    if table.encoded.labels:
        yield from _labels(table.encoded, assigned)


def _leaks(table: Table, assigned: NDArray[np.int64], places: Places) -> Iterator[DataIssue]:
    pairs: list[str] = []
    leaked = np.zeros(len(assigned), dtype=bool)
    for part, earlier in ((TEST, TRAIN), (TEST, VAL), (VAL, TRAIN)):
        rows, others = np.flatnonzero(assigned == part), np.flatnonzero(assigned == earlier)
        unique, first = np.unique(table.identity[others], return_index=True)
        at = np.searchsorted(unique, table.identity[rows])
        same = np.isin(table.identity[rows], unique)
        leaked[rows[same]] = True
        if same.any():
            originals = others[first[at[same][:SHOWN]]]
            pairs += [f"{a} = {b}" for a, b in zip(places(rows[same][:SHOWN]), places(originals), strict=True)]
    count = int(leaked.sum())
    if count:
        yield DataIssue(
            "duplicates_across_splits",
            f"{count:,} examples of the validation or test split are also in another split: scores may be too good.",
            count,
            tuple(pairs[:SHOWN]),
        )


def _contradictions(table: Table, assigned: NDArray[np.int64], places: Places) -> Iterator[DataIssue]:
    used = np.flatnonzero(assigned >= 0)
    _, first, content = np.unique(table.identity[used], return_index=True, return_inverse=True)
    content = content.reshape(-1)
    low = np.full(content.max() + 1, np.inf)
    high = np.full(content.max() + 1, -np.inf)
    np.minimum.at(low, content, table.encoded.values[used])
    np.maximum.at(high, content, table.encoded.values[used])
    conflicting = np.flatnonzero((low != high)[content])
    if len(conflicting):
        rows = used[conflicting[np.argsort(first[content[conflicting]], kind="stable")]]
        different = int((low != high).sum())
        yield DataIssue(
            "conflicting_labels",
            f"{len(rows):,} examples of {different:,} contents have the same content and different labels.",
            len(rows),
            tuple(places(rows[:SHOWN])),
        )


def _repeats(table: Table, assigned: NDArray[np.int64], places: Places) -> Iterator[DataIssue]:
    used = np.flatnonzero(assigned >= 0)
    first = np.unique(table.identity[used], return_index=True)[1]
    repeats = np.delete(used, first)
    if len(repeats):
        message = f"{len(repeats):,} examples repeat the content of another one; all are used."
        yield DataIssue("duplicates", message, len(repeats), tuple(places(repeats[:SHOWN])), "info")


def _labels(encoded: Encoded, assigned: NDArray[np.int64]) -> Iterator[DataIssue]:
    counts = {part: encoded.counts(assigned == part) for part in (TRAIN, VAL, TEST)}
    for part in (TRAIN, VAL, TEST):
        absent = [encoded.labels[label] for label in np.flatnonzero(counts[part] == 0)]
        if absent:
            names = ", ".join(absent[:SHOWN]) + (", …" if len(absent) > SHOWN else "")
            message = f"{len(absent):,} labels have no example in the {NAMES[part]} split: {names}."
            yield DataIssue(f"labels_missing_from_{NAMES[part]}", message, len(absent))
    train = counts[TRAIN]
    present = np.flatnonzero(train)
    most, least = present[np.argmax(train[present])], present[np.argmin(train[present])]
    if train[most] > IMBALANCE * train[least]:
        message = (
            f"the labels are imbalanced: {encoded.labels[most]!r} has {train[most]:,} training examples, "
            f"{encoded.labels[least]!r} has {train[least]:,}."
        )
        yield DataIssue("class_imbalance", message, len(present), level="info")
    folded: dict[str, list[str]] = {}
    for label in encoded.labels:
        folded.setdefault(label.casefold(), []).append(label)
    for alike in (names for names in folded.values() if len(names) > 1):
        yield DataIssue("labels_alike", f"labels differ in case only: {', '.join(alike)}.", len(alike))
