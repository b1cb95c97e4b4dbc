"""Check splits: labels that cannot be learned, duplicates across splits, conflicting labels, imbalance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.rows import NAMES, SHOWN, TEST, TRAIN, VAL
from core.data.splitting import SplitRows
from core.errors import DataError, Problem
from core.issues import DataIssue
from core.tasks.targets.encoded import Encoded

Places = Callable[[NDArray[np.int64]], Sequence[str]]
"""Returns the places of rows, given their numbers int64 [k]."""

IMBALANCE = 5.0
"""Ratio of the most to the least frequent label above which the check reports an imbalance."""


def refuse_unknown_labels(
    parts: Sequence[Sequence[Any]], encoded: Encoded, assigned: NDArray[np.int64], origin: str
) -> None:
    """Raise an error if a label of the validation or test split is missing from the training split.

    A target type that does not need every label accepts such splits; `find_issues` then reports the missing labels.

    Raises:
        DataError: A label of the validation or test split is missing from the training split.
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
                    "Add training examples of it, correct the label, or let Graft split the data by seed.",
                )
            )
    if problems:
        raise DataError(*problems)


def find_issues(rows: SplitRows, assigned: NDArray[np.int64], places: Places) -> Iterator[DataIssue]:
    """Yield the issues of usable splits.

    Args:
        rows: The rows.
        assigned: int64 [n], the split of each row.
        places: Returns the places of rows.
    """
    yield from _leaks(rows, assigned, places)
    yield from _conflicting_labels(rows, assigned, places)
    yield from _duplicates(rows, assigned, places)
    if rows.encoded.labels:
        yield from _label_issues(rows.encoded, assigned)


def _leaks(rows: SplitRows, assigned: NDArray[np.int64], places: Places) -> Iterator[DataIssue]:
    """Report examples of validation or test whose content is also in another split."""
    pairs: list[str] = []
    leaked = np.zeros(len(assigned), dtype=bool)
    for part, earlier in ((TEST, TRAIN), (TEST, VAL), (VAL, TRAIN)):
        held_out, others = np.flatnonzero(assigned == part), np.flatnonzero(assigned == earlier)
        unique, first = np.unique(rows.identity[others], return_index=True)
        at = np.searchsorted(unique, rows.identity[held_out])
        same = np.isin(rows.identity[held_out], unique)
        leaked[held_out[same]] = True
        if same.any():
            originals = others[first[at[same][:SHOWN]]]
            pairs += [f"{a} = {b}" for a, b in zip(places(held_out[same][:SHOWN]), places(originals), strict=True)]
    count = int(leaked.sum())
    if count:
        yield DataIssue(
            "duplicates_across_splits",
            f"{count:,} examples of the validation or test split are also in another split: scores may be too good.",
            count,
            tuple(pairs[:SHOWN]),
        )


def _conflicting_labels(rows: SplitRows, assigned: NDArray[np.int64], places: Places) -> Iterator[DataIssue]:
    """Report examples with the same content and different targets."""
    used = np.flatnonzero(assigned >= 0)
    _, first, content = np.unique(rows.identity[used], return_index=True, return_inverse=True)
    content = content.reshape(-1)
    low = np.full(content.max() + 1, np.inf)
    high = np.full(content.max() + 1, -np.inf)
    np.minimum.at(low, content, rows.encoded.values[used])
    np.maximum.at(high, content, rows.encoded.values[used])
    conflicting = np.flatnonzero((low != high)[content])
    if len(conflicting):
        involved = used[conflicting[np.argsort(first[content[conflicting]], kind="stable")]]
        contents = int((low != high).sum())
        yield DataIssue(
            "conflicting_labels",
            f"{len(involved):,} examples of {contents:,} contents have the same content and different labels.",
            len(involved),
            tuple(places(involved[:SHOWN])),
        )


def _duplicates(rows: SplitRows, assigned: NDArray[np.int64], places: Places) -> Iterator[DataIssue]:
    """Report examples that repeat the content of an earlier one."""
    used = np.flatnonzero(assigned >= 0)
    first = np.unique(rows.identity[used], return_index=True)[1]
    repeats = np.delete(used, first)
    if len(repeats):
        message = f"{len(repeats):,} examples repeat the content of another one; all are used."
        yield DataIssue("duplicates", message, len(repeats), tuple(places(repeats[:SHOWN])), "info")


def _label_issues(encoded: Encoded, assigned: NDArray[np.int64]) -> Iterator[DataIssue]:
    """Report missing labels, imbalance, and names that differ only in case."""
    counts = {part: encoded.counts(assigned == part) for part in (TRAIN, VAL, TEST)}
    for part in (TRAIN, VAL, TEST):
        absent = [encoded.labels[label] for label in np.flatnonzero(counts[part] == 0)]
        if absent:
            names = ", ".join(absent[:SHOWN]) + (", …" if len(absent) > SHOWN else "")
            message = f"{len(absent):,} labels have no example in the {NAMES[part]} split: {names}."
            yield DataIssue(f"labels_missing_from_{NAMES[part]}", message, len(absent))
    train = counts[TRAIN]
    present = np.flatnonzero(train)
    if len(present):
        common, rare = present[np.argmax(train[present])], present[np.argmin(train[present])]
        if train[common] > IMBALANCE * train[rare]:
            message = (
                f"the labels are imbalanced: {encoded.labels[common]!r} has {train[common]:,} training examples, "
                f"{encoded.labels[rare]!r} has {train[rare]:,}."
            )
            yield DataIssue("class_imbalance", message, len(present), level="info")
    folded: dict[str, list[str]] = {}
    for label in encoded.labels:
        folded.setdefault(label.casefold(), []).append(label)
    for alike in (names for names in folded.values() if len(names) > 1):
        yield DataIssue("labels_alike", f"labels differ only in case: {', '.join(alike)}.", len(alike))
