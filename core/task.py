"""A task, and the splits of labelled examples that it is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.issues import Finding
from core.options import option


@dataclass
class Task:
    """What to learn: a type of example, a type of output, and the primary metric."""

    name: str = option("", "Name of the task, used in the run's folder and in tables.")
    kind: str = option("text-classification", "The task type, in the Hub's spelling.")
    target: str = option("single", "The target type: what is predicted, such as one label, several labels or a value.")
    primary: str = option("accuracy", "The metric that selects the weights to keep; a key of `metrics`.")
    labels: list[str] | None = option(None, "Label names in their order; null reads them from the data, sorted.")


@dataclass(frozen=True)
class Splits:
    """Labeled examples in training, validation and test splits, as sequences that need not be in memory.

    Attributes:
        train, val, test: Examples of the task type, each with its target.
        labels: Label names; the index of a name is its target. Empty if the target type has no labels.
        fingerprint: Hash of the source bytes, the split rule and the seed, hexadecimal.
        findings: What the data check found.
        description: Where the data came from and how it was split, in one sentence.
    """

    train: Sequence[Any]
    val: Sequence[Any]
    test: Sequence[Any]
    labels: tuple[str, ...]
    fingerprint: str
    findings: tuple[Finding, ...] = ()
    description: str = ""
