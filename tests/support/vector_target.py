"""Target types of a third party, registered for a test: two numbers per example, and sets of labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from core.contracts.components import Metric
from core.issues import RowIssue
from core.registry.registry import load_registry
from core.tasks.output import OutputSpec
from core.tasks.targets.encoded import Encoded
from core.tasks.targets.multi_label import MultiLabel
from core.tasks.targets.regression import Regression
from core.tasks.targets.target import TargetType
from core.tasks.task import Task

NAMES = ("north", "east", "south")


@dataclass
class Vec(TargetType):
    """Two numbers per example, `(float, float)`; targets, logits and predictions are float32 [n, 2]."""

    name: ClassVar[str] = "vec"
    task_types: ClassVar[tuple[str, ...]] = ("text-classification", "image-classification")
    has_labels: ClassVar[bool] = False
    needs_every_label: ClassVar[bool] = False

    def encoder(self, task: Task) -> VecEncoder:
        return VecEncoder(self)

    def stack(self, targets: Sequence[Any], labels: Sequence[str]) -> Any:
        return np.asarray(targets, dtype=np.float32).reshape(len(targets), 2)

    def labels_of(self, target: Any) -> tuple[int, ...]:
        return ()

    def write_target(self, target: Any, labels: Sequence[str], example: Any = None) -> list[float]:
        return list(target)

    def outputs(self, labels: Sequence[str]) -> int:
        return 2

    def losses(
        self, logits: Any, targets: Any, class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0
    ) -> Any:
        return (logits.float() - targets).square().sum(dim=1)

    def predictions(self, logits: Any) -> Any:
        return logits.float()

    def write(
        self, prediction: Any, labels: Sequence[str], thresholds: Sequence[float] | None = None, example: Any = None
    ) -> dict[str, Any]:
        return {"vec": [float(each) for each in prediction]}

    def samples(self, count: int, labels: Sequence[str]) -> list[Any]:
        return [(float(row % 3), 1.0) for row in range(count)]

    def sample_predictions(self, targets: Any, labels: Sequence[str], seed: int, perfect: bool = False) -> Any:
        return targets if perfect else np.random.default_rng(seed).normal(size=targets.shape).astype(np.float32)

    def target_problem(self, target: Any, labels: Sequence[str], example: Any = None) -> str:
        return "" if isinstance(target, tuple) and len(target) == 2 else "must be two numbers"

    def problem(self, predictions: Any, n: int, labels: Sequence[str]) -> str:
        return "" if predictions.shape == (n, 2) else f"must give float32 {[n, 2]}."


@dataclass
class NamedVec(Vec):
    """The same two numbers for one of three labels: there are fewer logits than labels."""

    name: ClassVar[str] = "named_vec"
    has_labels: ClassVar[bool] = True


class VecEncoder:
    """Encodes texts such as `0.5 1`."""

    def __init__(self, target: Vec) -> None:
        self._target, self._codes, self._values = target, dict[tuple[float, ...], int](), list[int]()

    def add(self, raw: Any) -> RowIssue | None:
        self._values.append(self._codes.setdefault(tuple(map(float, raw.split())), len(self._codes)))
        return None

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        names = NAMES if self._target.has_labels else ()
        return Encoded(names, np.asarray(self._values, dtype=np.int64), self._target, tuple(self._codes)), []


@dataclass
class Topics(MultiLabel):
    """Several labels per example, under another name."""

    name: ClassVar[str] = "topics"
    like: ClassVar[str] = "multi"
    task_types: ClassVar[tuple[str, ...]] = ("text-classification", "image-classification")


@dataclass
class Price(Regression):
    """A positive value: the head returns its logarithm."""

    name: ClassVar[str] = "price"
    like: ClassVar[str] = "regression"
    task_types: ClassVar[tuple[str, ...]] = ("text-classification",)

    def losses(
        self, logits: Any, targets: Any, class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0
    ) -> Any:
        assert (targets > 0).all(), "the targets are prices, not standardized"
        return (logits.float().reshape(len(logits)) - targets.log()).square()

    def predictions(self, logits: Any) -> Any:
        return logits.float().reshape(len(logits)).exp()


@dataclass
class Distance(Metric):
    """The mean distance."""

    name: ClassVar[str] = "distance"
    higher_is_better: ClassVar[bool] = False
    targets: ClassVar[tuple[str, ...]] = ("vec", "named_vec")

    def build(self, output: OutputSpec) -> Any:
        from torchmetrics import MeanMetric

        class Far(MeanMetric):
            def update(self, predictions: torch.Tensor, targets: torch.Tensor) -> None:
                super().update((predictions - targets).norm(dim=1))

        return Far()


COMPONENTS: dict[str, list[Any]] = {"target_type": [Vec, NamedVec, Topics, Price], "metric": [Distance]}


@contextmanager
def registered() -> Iterator[None]:
    """Register the components for a while."""
    registry = load_registry()
    for point, components in COMPONENTS.items():
        for component in components:
            registry.components[point][component.name] = component
            registry.owners[point][component.name] = "vector_target"
    try:
        yield
    finally:
        for point, components in COMPONENTS.items():
            for component in components:
                del registry.components[point][component.name]
                del registry.owners[point][component.name]
