"""The splits of labeled examples, and the options for splitting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import PluginError, Problem
from core.issues import DataIssue
from core.options import option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(kw_only=True)
class SplitOptions:
    """Options of data adapters whose data may need to be split."""

    val_fraction: float = option(
        0.1, "Share of the examples for the validation split, if the data has none.", low=0.001, high=0.8
    )
    test_fraction: float = option(
        0.2, "Share of the examples for the test split, if the data has none.", low=0.001, high=0.8
    )
    on_bad_row: str = option(
        "error", "error: a bad row ends the run; skip: bad rows are skipped and counted.", choices=("error", "skip")
    )
    max_examples: int = option(
        0, "Maximum number of examples per split, a stratified sample by seed; 0 for all.", low=0
    )

    def split_problems(self, where: str = "data") -> Iterator[Problem]:
        """Yield a problem if the fractions leave nothing to train on."""
        if self.val_fraction + self.test_fraction >= 1:
            yield Problem(
                f"{where}.test_fraction",
                f"val_fraction and test_fraction add up to {self.val_fraction + self.test_fraction:g}, "
                "which leaves nothing to train on.",
                "Their sum must be less than 1.",
            )


@dataclass(frozen=True)
class Splits:
    """Labeled examples in training, validation and test splits, as sequences that need not be in memory.

    Attributes:
        train, val, test: Examples of the task type, each with its target.
        labels: Label names; the index of a name is its target. Empty if the target type has no labels.
        fingerprint: Hexadecimal hash of the source bytes, the split rule and the seed.
        findings: What the data check found.
        description: Where the data came from and how it was split, in one sentence.
        groups: The group of each example by the name of its split (`train`, `val`, `test`), int64 [n] each; None if the
            data has no groups. Examples with equal numbers belong together, also in different splits. Confidence
            intervals resample groups, because the examples of one group are not independent.

    Raises:
        PluginError: `groups` does not have one number per example of each split.
    """

    train: Sequence[Any]
    val: Sequence[Any]
    test: Sequence[Any]
    labels: tuple[str, ...]
    fingerprint: str
    findings: tuple[DataIssue, ...] = ()
    description: str = ""
    groups: Mapping[str, NDArray[np.int64]] | None = None

    def __post_init__(self) -> None:
        if self.groups is None:
            return
        found = {name: len(numbers) for name, numbers in self.groups.items()}
        wanted = {"train": len(self.train), "val": len(self.val), "test": len(self.test)}
        if found != wanted:
            message = f"must have a number for each example of each split, {wanted}; it has {found}."
            raise PluginError(Problem("Splits.groups", message))

    def groups_of(self, *names: str) -> NDArray[np.int64] | None:
        """Return the group of each example of the splits `names`, one split after the other, int64 [n].

        Without groups, return None.
        """
        if self.groups is None:
            return None
        import numpy as np

        return np.concatenate([self.groups[name] for name in names])

    def count_groups(self) -> dict[str, int] | None:
        """Return the number of groups in each split; None if the data has no groups."""
        if self.groups is None:
            return None
        return {name: len(set(numbers.tolist())) for name, numbers in self.groups.items()}
