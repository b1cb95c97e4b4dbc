"""A task, and the splits of labelled examples that it is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.issues import Finding
from core.options import option


@dataclass
class Task:
    """What is to be learned: a type of example, a type of output, and the metric that decides."""

    name: str = option("", "The task's name, used in the run folder and in tables.")
    kind: str = option("text-classification", "The kind of task, in the Hub's spelling.")
    target: str = option("single", "The target type: what is predicted, such as one label, several labels or a value.")
    primary: str = option("accuracy", "The metric that picks the weights to keep; a key of `metrics`.")
    labels: list[str] | None = option(None, "The label names in their order; null takes them from the data, sorted.")


@dataclass(frozen=True)
class Splits:
    """Labelled examples, cut into training, validation and test, as sequences that need not be in memory.

    Attributes:
        train, val, test: Examples of the task's kind, every one with its target.
        labels: Label names; the index of a name is its target. Empty for regression.
        fingerprint: Hash of the source bytes, the split rule and the seed, hexadecimal.
        findings: What the data check found.
        description: Where the data came from and how it was cut, in one sentence.
    """

    train: Sequence[Any]
    val: Sequence[Any]
    test: Sequence[Any]
    labels: tuple[str, ...]
    fingerprint: str
    findings: tuple[Finding, ...] = ()
    description: str = ""
