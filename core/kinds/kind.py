"""What every kind of task knows: how examples are told apart and stratified, how predictions are written."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from core.component import Component
from core.errors import Problem
from core.kinds.boxes import Boxes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Targets: TypeAlias = NDArray[Any]
    Predictions: TypeAlias = NDArray[Any]
else:
    Targets = Predictions = Any

Target: TypeAlias = int | tuple[int, ...] | float | Boxes | None
"""One example's target: a label's index, a sorted tuple of them, a value, boxes, or None where it is not known."""

SINGLE, MULTI, REGRESSION, BOXES = "single", "multi", "regression", "boxes"
MULTI_THRESHOLD = 0.5


@dataclass
class Kind(Component):
    """A kind of task: how its examples are told apart and stratified, and how its predictions are written."""

    example: ClassVar[type]
    targets: ClassVar[tuple[str, ...]]

    @abstractmethod
    def identity(self, example: Any) -> bytes:
        """The content that makes two examples duplicates of each other, whatever their targets are."""

    @abstractmethod
    def content(self, example: Any) -> dict[str, Any]:
        """The example as JSON values, for `predictions.jsonl`."""

    @abstractmethod
    def parse(self, text: str) -> Any:
        """An example without a target from one argument of `predict`, or one line of its input."""

    def read(self, words: Iterable[str]) -> Iterator[Any]:
        """Examples without targets from the arguments of `predict`, or the lines of its input; a word may mean many."""
        return (self.parse(word) for word in words)

    def fault(self, example: Any) -> Problem | None:
        """Why an example that `read` gave cannot be used, or None."""
        return None

    def strata(self, targets: Sequence[Target], target: str) -> NDArray[np.int64]:
        """The stratum of each example, for a cut that keeps proportions: int64 [n].

        A label is its own stratum; so is each set of labels; values are stratified by decile.
        """
        import numpy as np

        if target == REGRESSION:
            values = np.asarray(targets, dtype=np.float64)
            edges = np.unique(np.quantile(values, np.linspace(0.1, 0.9, 9)))
            return np.searchsorted(edges, values).astype(np.int64)
        numbers: dict[Target, int] = {}
        return np.asarray([numbers.setdefault(each, len(numbers)) for each in targets], dtype=np.int64)

    def write(
        self, prediction: Any, labels: Sequence[str], target: str, thresholds: Sequence[float] | None = None
    ) -> dict[str, Any]:
        """One prediction as JSON values: the label or labels and the probabilities, or the value.

        Args:
            prediction: As `raw` predictions are shaped, without the leading dimension.
            labels: Label names.
            target: The task's target.
            thresholds: Of `multi`: the probability from which each label applies; None for `MULTI_THRESHOLD`.
        """
        if target == REGRESSION:
            return {"value": float(prediction)}
        probabilities = {label: round(float(p), 6) for label, p in zip(labels, prediction, strict=True)}
        if target == MULTI:
            limits = [MULTI_THRESHOLD] * len(labels) if thresholds is None else thresholds
            chosen = [label for label, p, least in zip(labels, prediction, limits, strict=True) if float(p) >= least]
            return {"labels": chosen, "probabilities": probabilities}
        return {"label": max(probabilities, key=probabilities.__getitem__), "probabilities": probabilities}

    def picture(
        self,
        examples: Sequence[Any],
        predictions: Predictions,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> Image | None:
        """A page of examples with what is true and what was predicted, for `predictions.png`; None for no such page.

        Args:
            examples: With their targets.
            predictions: In their order, as `core.kinds` says.
            labels: Label names.
            thresholds: As `write` takes them.
        """
        return None

    def drawn(
        self, example: Any, prediction: Any, labels: Sequence[str], thresholds: Sequence[float] | None = None
    ) -> Image | None:
        """One example with its prediction drawn on it, for `predict --pictures`; None where this kind cannot draw.

        Args:
            example: As `read` gives it.
            prediction: As `write` takes it.
            labels: Label names.
            thresholds: As `write` takes them.
        """
        return None

    def write_target(self, value: Target, labels: Sequence[str], target: str) -> Any:
        """One target as a JSON value: the label's name, a list of names, the value, or None."""
        if value is None:
            return None
        if target == REGRESSION:
            return value
        if target == MULTI:
            assert isinstance(value, tuple)
            return [labels[index] for index in value]
        assert isinstance(value, int)
        return labels[value]


def encode_targets(targets: Sequence[Target], target: str, n_labels: int) -> Targets:
    """Targets as one array, shaped as the head of this module says.

    Args:
        targets: One target an example; none of them None.
        target: `single`, `multi`, `regression` or `boxes`.
        n_labels: Number of labels, c.
    """
    import numpy as np

    if target == BOXES:
        return objects(targets)
    if target == SINGLE:
        return np.asarray(targets, dtype=np.int64)
    if target == REGRESSION:
        return np.asarray(targets, dtype=np.float32)
    encoded = np.zeros((len(targets), n_labels), dtype=np.float32)
    for row, chosen in enumerate(targets):
        assert isinstance(chosen, tuple)
        encoded[row, list(chosen)] = 1.0
    return encoded


def targets_of(examples: Sequence[Any], target: str, n_labels: int) -> Targets:
    """The targets of a split, as one array."""
    return encode_targets([example.target for example in examples], target, n_labels)


def objects(values: Iterable[Any]) -> NDArray[np.object_]:
    """Objects of any kind as an array of them, [n]: it is indexed and put in order like one of numbers."""
    import numpy as np

    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    array[:] = listed
    return array
