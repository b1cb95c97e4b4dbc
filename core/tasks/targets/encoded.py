"""The encoded targets of a data set, and the protocol of the encoders that make them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from core.issues import RowIssue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Target: TypeAlias = Any
"""The target of one example, as its target type encodes it; None if it is unknown. `core.tasks` lists the types."""


class LabelRules(Protocol):
    """What encoded targets ask their target type."""

    @property
    def needs_every_label(self) -> bool:
        """Whether each label must occur in the training split."""
        ...

    def labels_of(self, target: Target) -> tuple[int, ...]:
        """Return the indices of the labels in a target."""
        ...

    def strata(self, targets: Sequence[Target]) -> NDArray[np.int64]:
        """Return the stratum of each target, int64 [n]."""
        ...


@dataclass(frozen=True)
class Encoded:
    """The targets of all rows, a few bytes per row.

    Attributes:
        labels: Label names in the order of their indices; empty if the target type has no labels.
        values: int64 [n], positions in `table`; if `table` is empty, float64 [n] values.
        target: The target type.
        table: Every distinct target; empty if targets are values.
    """

    labels: tuple[str, ...]
    values: NDArray[Any]
    target: LabelRules
    table: tuple[Target, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Target:
        return self.table[self.values[index]] if self.table else float(self.values[index])

    def take(self, index: slice | NDArray[Any]) -> Encoded:
        """Return the targets of some rows."""
        return replace(self, values=self.values[index])

    def strata(self) -> NDArray[np.int64]:
        """Return the stratum of each row, int64 [n]; a stratum is a function of the target alone."""
        if not self.table:
            return self.target.strata(self.values)  # type: ignore[arg-type]
        strata: NDArray[np.int64] = self.target.strata(self.table)[self.values]
        return strata

    def counts(self, rows: NDArray[Any]) -> NDArray[np.int64]:
        """Return how many of `rows` have each label, int64 [c]."""
        import numpy as np

        of_targets = np.bincount(self.values[rows], minlength=len(self.table))
        counts = np.zeros(len(self.labels), dtype=np.int64)
        for number in np.flatnonzero(of_targets):
            counts[list(self.target.labels_of(self.table[number]))] += of_targets[number]
        return counts

    def having(self, labels: Iterable[int]) -> NDArray[np.bool_]:
        """Return which rows have at least one of `labels`, bool [n]."""
        import numpy as np

        wanted = set(labels)
        matches = np.asarray([bool(wanted & set(self.target.labels_of(each))) for each in self.table], dtype=bool)
        rows: NDArray[np.bool_] = matches[self.values]
        return rows


class Encoder(Protocol):
    """Takes raw labels one by one, then returns all of them as encoded targets."""

    def add(self, raw: object) -> RowIssue | None:
        """Encode the raw label of one row, or return why it cannot be used."""
        ...

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        """Return the targets, and problems with the targets as a whole (message and cure of each)."""
        ...


def objects(values: Iterable[Any]) -> NDArray[np.object_]:
    """Return an array of objects, [n], to index and reorder like an array of numbers."""
    import numpy as np

    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    for at, value in enumerate(listed):  # `array[:] = listed` would take values of equal length for rows of a table
        array[at] = value
    return array
