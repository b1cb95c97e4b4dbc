"""Assign each row to a split: stratified, by seed, with duplicates and groups in the same split."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.contracts.splits import SplitOptions
from core.data.rows import NAMES, TEST, TRAIN, UNDECIDED, VAL
from core.errors import DataError, Problem
from core.tasks.targets.encoded import Encoded

Int = NDArray[np.int64]


@dataclass(frozen=True)
class SplitRows:
    """The numbers per row that decide its split.

    Attributes:
        identity: Hash of the content, int64 [n]; equal for duplicates.
        strata: The stratum of each row, int64 [n].
        group: Hash of the group, int64 [n]; None without groups.
        encoded: The targets, [n].
    """

    identity: Int
    strata: Int
    group: Int | None
    encoded: Encoded

    def select(self, mask: NDArray[np.bool_]) -> SplitRows:
        """Return the rows where `mask` (bool [n]) is true."""
        group = None if self.group is None else self.group[mask]
        return replace(
            self,
            identity=self.identity[mask],
            strata=self.strata[mask],
            group=group,
            encoded=self.encoded.take(mask),
        )


def split(rows: SplitRows, given: Int, options: SplitOptions, seed: int) -> tuple[Int, str]:
    """Return the split of every row, and the rule in words.

    Args:
        rows: The rows.
        given: int64 [n], the split that the source names, or `UNDECIDED`.
        options: The fractions of rows for the missing splits.
        seed: Decides which rows.

    Returns:
        int64 [n] of `TRAIN`, `VAL`, `TEST`, and the rule in words.

    Raises:
        DataError: There are no training rows, or too few to split.
    """
    assigned = np.where(given == UNDECIDED, TRAIN, given)
    missing = [part for part in (TEST, VAL) if not (assigned == part).any()]
    if not (assigned == TRAIN).any():
        present = " and ".join(NAMES[part] for part in (VAL, TEST) if part not in missing)
        message = f"there are {present} examples but none to train on."
        raise DataError(Problem("data", message, "Name a training split."))
    if not missing:
        return assigned, "split as in the source"
    pool = assigned == TRAIN
    assigned[pool] = _split_pool(rows.select(pool), missing, options, seed)
    names = " and ".join(NAMES[part] for part in reversed(missing))
    how = "stratified, groups kept together" if rows.group is not None else "stratified, duplicates kept together"
    return assigned, f"{names} split by seed {seed} ({how})"


def _split_pool(rows: SplitRows, missing: list[int], options: SplitOptions, seed: int) -> Int:
    """Split the missing splits off from the rows that the source does not assign: int64 [n] of splits."""
    n = len(rows.identity)
    shares = {TEST: options.test_fraction, VAL: options.val_fraction}
    unit, key = units(rows), mix(rows.identity, seed)
    assigned = np.full(n, TRAIN)
    # A stratum gives a row to this split only if enough units remain for the splits after it and for training.
    for remaining, part in zip(range(len(missing) + 1, 1, -1), missing, strict=True):
        free = np.flatnonzero(assigned == TRAIN)
        if not len(free):
            break  # the error below says that there are too few
        choose = _by_stratum if rows.group is None else _by_group
        chosen = choose(unit[free], rows.strata[free], key[free], max(1, round(shares[part] * n)), remaining)
        assigned[free[chosen]] = part
    # With too few images, a target type of objects may leave a label out of training rather than a split empty.
    complete = _return_labels(rows.encoded, unit, assigned)
    if rows.encoded.target.needs_every_label or all((complete == part).any() for part in missing):
        assigned = complete
    for part in (*missing, TRAIN):
        if not (assigned == part).any():
            distinct, what = len(np.unique(unit)), "groups" if rows.group is not None else "different examples"
            labels = f" and {len(rows.encoded.labels):,} labels" if rows.encoded.labels else ""
            message = f"{n:,} rows with {distinct:,} {what}{labels} are too few for a {NAMES[part]} split."
            cure = f"Add examples, or provide a {NAMES[part]} split."
            if len(rows.encoded.labels) > n / 2 and rows.encoded.target.needs_every_label:
                cure += " If the labels are numbers to be predicted, use a task whose target type is regression."
            raise DataError(Problem("data", message, cure))
    return assigned


def units(rows: SplitRows) -> Int:
    """Return a number per row, int64 [n], equal for rows that must stay in one split.

    These are duplicates, groups, and rows that a chain of duplicates and groups connects.
    """
    duplicate = np.unique(rows.identity, return_inverse=True)[1].reshape(-1)
    if rows.group is None:
        return duplicate
    group = np.unique(rows.group, return_inverse=True)[1].reshape(-1)
    unit = duplicate
    while True:  # until no duplicate and no group connects two units
        joined = _lowest(duplicate, _lowest(group, unit))
        if (joined == unit).all():
            return np.unique(unit, return_inverse=True)[1].reshape(-1)
        unit = joined


def number_groups(rows: SplitRows, assigned: Int) -> dict[str, Int] | None:
    """Return the group of each example by the name of its split, int64 [n] each; None without groups.

    Groups are numbered from 0 in the order of their first rows. A row without a group is a group of its own, together
    with its duplicates.

    Args:
        rows: The rows.
        assigned: int64 [n], the split of each row.
    """
    if rows.group is None:
        return None
    _, first, group = np.unique(rows.group, return_index=True, return_inverse=True)
    number = np.argsort(np.argsort(first))[group.reshape(-1)]  # the rank of the group's first row
    return {NAMES[part]: number[assigned == part] for part in (TRAIN, VAL, TEST)}


def _lowest(part: Int, values: Int) -> Int:
    """Return for each row the smallest value within its part, int64 [n]."""
    low = np.full(part.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(low, part, values)
    return low[part]


def mix(identity: Int, seed: int) -> NDArray[np.uint64]:
    """Return a well-mixed hash of each content and the seed, uint64 [n] (SplitMix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        z = identity.view(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _by_stratum(unit: Int, strata: Int, key: NDArray[np.uint64], wanted: int, spare: int) -> NDArray[np.bool_]:
    """Choose units in the order of their keys, from each stratum its share of the `wanted` rows.

    A stratum with at least `spare` units gives at least one row.

    Returns:
        bool [n], true for the chosen rows.
    """
    # One entry per unit: the first row, the stratum of that row, the smallest key, the number of rows.
    _, first, unit, size = np.unique(unit, return_index=True, return_inverse=True, return_counts=True)
    stratum = np.unique(strata[first], return_inverse=True)[1].reshape(-1)
    low = np.full(len(first), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(low, unit, key)
    rows = np.bincount(stratum, weights=size).astype(np.int64)
    quota = _quotas(rows, wanted, np.bincount(stratum) >= spare)[stratum]
    # Sort the units by stratum, then by key. A unit larger than the whole quota of its stratum is passed over.
    order = np.lexsort((low, stratum))
    stratum, size, quota = stratum[order], np.where(size <= np.maximum(quota, 1), size, 0)[order], quota[order]
    # Take a unit if its middle row is within the quota, which rounds to the nearest.
    before = np.cumsum(size) - size
    start = np.searchsorted(stratum, stratum)
    taken = (size > 0) & (before - before[start] + size / 2 <= quota)
    chosen = np.zeros(len(first), dtype=bool)
    chosen[order] = taken
    return chosen[unit.reshape(-1)]


def _quotas(rows: Int, wanted: int, entitled: NDArray[np.bool_]) -> Int:
    """Return the number of rows that each stratum gives: its share of `wanted`, rounded so that the sum is exact.

    An `entitled` stratum gives at least one row, unless more strata are entitled than rows are wanted.
    """
    quota: Int = np.diff(np.floor(np.cumsum(rows) * (wanted / rows.sum()) + 0.5).astype(np.int64), prepend=0)
    if entitled.sum() > wanted:
        return quota
    quota = np.maximum(quota, entitled)
    while quota.sum() > wanted and quota.max() > 1:
        quota[np.argmax(quota)] -= 1
    return quota


def _by_group(unit: Int, strata: Int, key: NDArray[np.uint64], wanted: int, spare: int) -> NDArray[np.bool_]:
    """Choose groups in the order of their keys; take each that brings the counts of the strata closer to their shares.

    If none does so and there are at least `spare` groups, choose the smallest group.

    Returns:
        bool [n], true for the chosen rows.
    """
    share = wanted / len(unit)
    goal = np.bincount(strata) * share
    got = np.zeros_like(goal)
    low = np.full(unit.max() + 1, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(low, unit, key)
    by_unit = np.argsort(unit, kind="stable")
    bounds = np.searchsorted(unit[by_unit], np.arange(unit.max() + 2))
    chosen = np.zeros(len(unit), dtype=bool)
    for group in np.argsort(low, kind="stable"):
        rows = by_unit[bounds[group] : bounds[group + 1]]
        if not len(rows):
            continue
        stratum, count = np.unique(strata[rows], return_counts=True)
        # the change of sum((got - goal)² / goal) if these rows are added
        if (count * (2 * (got[stratum] - goal[stratum]) + count) / goal[stratum]).sum() < 0:
            got[stratum] += count
            chosen[rows] = True
    present, size = np.unique(unit, return_counts=True)
    if not chosen.any() and len(present) >= spare:
        chosen = unit == present[np.lexsort((low[present], size))[0]]
    return chosen


def _return_labels(encoded: Encoded, unit: Int, assigned: Int) -> Int:
    """Return the splits with every unit moved to training that has a label which training would lack: int64 [n]."""
    if not encoded.labels:
        return assigned
    lacking = np.flatnonzero((encoded.counts(assigned == TRAIN) == 0) & (encoded.counts(assigned >= 0) > 0))
    if len(lacking):
        moved = np.isin(unit, unit[encoded.having(lacking.tolist())])
        return np.where(moved, TRAIN, assigned)
    return assigned


def limit(rows: SplitRows, assigned: Int, max_rows: int, seed: int) -> Int:
    """Return the splits with at most `max_rows` rows each, a stratified sample; the others become `UNDECIDED`.

    With `max_rows` 0, all rows stay.
    """
    if not max_rows:
        return assigned
    kept = assigned.copy()
    for part in (TRAIN, VAL, TEST):
        of_part = np.flatnonzero(assigned == part)
        if len(of_part) > max_rows:
            # The keys of the split itself would sample the rows nearest to its border, so another seed mixes them.
            key = mix(rows.identity[of_part] ^ np.arange(len(of_part)), seed + 0x5EED)
            chosen = _by_stratum(np.arange(len(of_part)), rows.strata[of_part], key, max_rows, 1)
            kept[of_part[~chosen]] = UNDECIDED
    return kept
