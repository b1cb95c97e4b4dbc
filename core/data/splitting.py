"""Where each example goes: a cut that is stratified, seeded, and never separates duplicates or groups."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.contracts.splits import SplitOptions
from core.data.rows import NAMES, TEST, TRAIN, UNDECIDED, VAL
from core.errors import DataError, Problem
from core.tasks.targets.target import Encoded

Int = NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """What the cut looks at, one number of each a row.

    Attributes:
        identity: Hash of the content, int64 [n]; equal for duplicates.
        strata: int64 [n].
        group: Hash of the group, int64 [n], or None.
        encoded: The targets, [n].
    """

    identity: Int
    strata: Int
    group: Int | None
    encoded: Encoded

    def rows(self, which: NDArray[np.bool_]) -> Table:
        """The part of the table where `which` (bool [n]) holds."""
        group = None if self.group is None else self.group[which]
        return replace(
            self,
            identity=self.identity[which],
            strata=self.strata[which],
            group=group,
            encoded=self.encoded.take(which),
        )


def split(table: Table, given: Int, options: SplitOptions, seed: int) -> tuple[Int, str]:
    """Decide the split of every row, and say in words how.

    Args:
        table: The rows.
        given: int64 [n], the split that the source names, or `UNDECIDED`.
        options: The fractions of all rows that are being cut.
        seed: Decides which.

    Returns:
        int64 [n] of `TRAIN`, `VAL`, `TEST`, and the rule in words.

    Raises:
        DataError: There are no training rows, or too few to cut.
    """
    assigned = np.where(given == UNDECIDED, TRAIN, given)
    missing = [part for part in (TEST, VAL) if not (assigned == part).any()]
    if not (assigned == TRAIN).any():
        held = " and ".join(NAMES[part] for part in (VAL, TEST) if part not in missing)
        raise DataError(Problem("data", f"there are {held} examples but none to train on.", "Name a training split."))
    if not missing:
        return assigned, "split as the source says"
    pool = assigned == TRAIN
    assigned[pool] = _cut_pool(table.rows(pool), missing, options, seed)
    cut_names = " and ".join(NAMES[part] for part in reversed(missing))
    how = "stratified, groups kept together" if table.group is not None else "stratified, duplicates kept together"
    return assigned, f"{cut_names} cut by seed {seed} ({how})"


def _cut_pool(table: Table, missing: list[int], options: SplitOptions, seed: int) -> Int:
    n = len(table.identity)
    shares = {TEST: options.test_fraction, VAL: options.val_fraction}
    unit, key = units(table), mix(table.identity, seed)
    assigned = np.full(n, TRAIN)
    for left, part in zip(range(len(missing) + 1, 1, -1), missing, strict=True):
        free = np.flatnonzero(assigned == TRAIN)
        choose = _by_stratum if table.group is None else _by_group
        chosen = choose(unit[free], table.strata[free], key[free], max(1, round(shares[part] * n)), left)
        assigned[free[chosen]] = part
    complete = _return_labels(table.encoded, unit, assigned)
    if table.encoded.target.needs_every_label or all((complete == part).any() for part in missing):
        assigned = complete  # an object's label may be absent from training where there are too few images for all
    for part in (*missing, TRAIN):
        if not (assigned == part).any():
            distinct, what = len(np.unique(unit)), "groups" if table.group is not None else "different examples"
            labels = f" and {len(table.encoded.labels):,} labels" if table.encoded.labels else ""
            message = f"{n:,} rows with {distinct:,} {what}{labels} are too few to cut a {NAMES[part]} split out of."
            cure = f"Add examples, or name a {NAMES[part]} split of your own."
            if len(table.encoded.labels) > n / 2 and table.encoded.target.needs_every_label:
                cure += " If the labels are numbers to be predicted, use a task whose target is regression."
            raise DataError(Problem("data", message, cure))
    return assigned


def units(table: Table) -> Int:
    """Rows that must stay together bear one number: duplicates, groups, and whatever these connect. int64 [n]."""
    duplicate = np.unique(table.identity, return_inverse=True)[1].reshape(-1)
    if table.group is None:
        return duplicate
    group = np.unique(table.group, return_inverse=True)[1].reshape(-1)
    unit = duplicate
    while True:
        joined = _lowest(duplicate, _lowest(group, unit))
        if (joined == unit).all():
            return np.unique(unit, return_inverse=True)[1].reshape(-1)
        unit = joined


def _lowest(part: Int, values: Int) -> Int:
    """For each row the smallest value within its part."""
    low = np.full(part.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(low, part, values)
    return low[part]


def mix(identity: Int, seed: int) -> NDArray[np.uint64]:
    """A well-mixed number of each content and the seed (SplitMix64, Steele et al. 2014): uint64 [n]."""
    with np.errstate(over="ignore"):
        z = identity.view(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _by_stratum(unit: Int, strata: Int, key: NDArray[np.uint64], wanted: int, spare: int) -> NDArray[np.bool_]:
    """Choose units in the order of their keys, in each stratum as many rows as its share of `wanted`.

    A stratum of at least `spare` units gives one at least.

    Returns:
        bool [n], true for the rows chosen.
    """
    _, first, unit, size = np.unique(unit, return_index=True, return_inverse=True, return_counts=True)
    stratum = np.unique(strata[first], return_inverse=True)[1].reshape(-1)
    low = np.full(len(first), np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(low, unit, key)
    rows = np.bincount(stratum, weights=size).astype(np.int64)
    quota = _quotas(rows, wanted, np.bincount(stratum) >= spare)[stratum]
    order = np.lexsort((low, stratum))
    stratum, size, quota = stratum[order], np.where(size <= np.maximum(quota, 1), size, 0)[order], quota[order]
    before = np.cumsum(size) - size
    start = np.searchsorted(stratum, stratum)
    taken = (size > 0) & (before - before[start] + size / 2 <= quota)
    chosen = np.zeros(len(first), dtype=bool)
    chosen[order] = taken
    return chosen[unit.reshape(-1)]


def _quotas(rows: Int, wanted: int, entitled: NDArray[np.bool_]) -> Int:
    """How many rows each stratum gives, `wanted` in all: its share, rounded so that the sum is exact."""
    quota: Int = np.diff(np.floor(np.cumsum(rows) * (wanted / rows.sum()) + 0.5).astype(np.int64), prepend=0)
    if entitled.sum() > wanted:
        return quota
    quota = np.maximum(quota, entitled)
    while quota.sum() > wanted and quota.max() > 1:
        quota[np.argmax(quota)] -= 1
    return quota


def _by_group(unit: Int, strata: Int, key: NDArray[np.uint64], wanted: int, spare: int) -> NDArray[np.bool_]:
    """Choose groups in the order of their keys, each where it brings the counts of the strata closer to their share.

    Where there are `spare` groups, one at least: the smallest.
    """
    share = wanted / len(unit)
    goal = np.bincount(strata) * share
    got = np.zeros_like(goal)
    low = np.full(unit.max() + 1, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(low, unit, key)
    by_unit = np.argsort(unit, kind="stable")
    bounds = np.searchsorted(unit[by_unit], np.arange(unit.max() + 2))
    chosen = np.zeros(len(unit), dtype=bool)
    for each in np.argsort(low, kind="stable"):
        rows = by_unit[bounds[each] : bounds[each + 1]]
        if not len(rows):
            continue
        found, count = np.unique(strata[rows], return_counts=True)
        # the change of sum((got - goal)² / goal) when these rows are added
        if (count * (2 * (got[found] - goal[found]) + count) / goal[found]).sum() < 0:
            got[found] += count
            chosen[rows] = True
    present, size = np.unique(unit, return_counts=True)
    if not chosen.any() and len(present) >= spare:
        chosen = unit == present[np.lexsort((low[present], size))[0]]
    return chosen


def _return_labels(encoded: Encoded, unit: Int, assigned: Int) -> Int:
    """The same splits, with units put back to the training split that bear a label which it would lack."""
    if not encoded.labels:
        return assigned
    lacking = np.flatnonzero((encoded.counts(assigned == TRAIN) == 0) & (encoded.counts(assigned >= 0) > 0))
    if len(lacking):
        moved = np.isin(unit, unit[encoded.having(lacking.tolist())])
        return np.where(moved, TRAIN, assigned)
    return assigned


def limit(table: Table, assigned: Int, most: int, seed: int) -> Int:
    """Keep at most `most` rows of each split, stratified; the others become `UNDECIDED`, which is no split."""
    if not most:
        return assigned
    kept = assigned.copy()
    for part in (TRAIN, VAL, TEST):
        rows = np.flatnonzero(assigned == part)
        if len(rows) > most:
            # keys of another seed than the cut's, or the rows nearest to the cut's border would be drawn
            key = mix(table.identity[rows] ^ np.arange(len(rows)), seed + 0x5EED)
            chosen = _by_stratum(np.arange(len(rows)), table.strata[rows], key, most, 1)
            kept[rows[~chosen]] = UNDECIDED
    return kept
