"""The splits of labeled examples, and the options for splitting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import Problem
from core.issues import DataIssue
from core.options import option


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
    """

    train: Sequence[Any]
    val: Sequence[Any]
    test: Sequence[Any]
    labels: tuple[str, ...]
    fingerprint: str
    findings: tuple[DataIssue, ...] = ()
    description: str = ""
