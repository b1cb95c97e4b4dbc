"""The target type of one label per example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.tasks.targets.encoded import Encoder, Target
from core.tasks.targets.probabilities import PER_CLASS_TITLE, flat_line, probabilities_by_label, probabilities_problem
from core.tasks.targets.target import ResultTable, TargetType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from core.tasks.targets.target import Predictions, Targets
    from core.tasks.task import Task

SINGLE = "single"
_TINY = 1e-30
"""In place of a probability that was rounded to 0, so that its logarithm is finite."""


@dataclass
class SingleLabel(TargetType):
    """One label per example.

    A target is the label's index (int). Targets: int64 [n]. Predictions: probabilities, a softmax over the labels,
    float32 [n, c].
    """

    name: ClassVar[str] = SINGLE
    train_options: ClassVar[frozenset[str]] = frozenset({"class_weights", "label_smoothing"})

    def encoder(self, task: Task) -> Encoder:
        """Return an encoder that takes exactly one label per row."""
        from core.tasks.targets.encoding import LabelEncoder

        return LabelEncoder(task, self)

    def stack(self, targets: Sequence[Target], labels: Sequence[str]) -> Targets:
        """Return the indices of the labels, int64 [n]."""
        import numpy as np

        return np.asarray(targets, dtype=np.int64)

    def labels_of(self, target: Target) -> tuple[int, ...]:
        """Return the index of the label."""
        return (target,)

    def write_target(self, target: Target, labels: Sequence[str], example: Any = None) -> str:
        """Return the label's name."""
        return labels[target]

    def losses(
        self,
        logits: Tensor,
        targets: Tensor,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """Return the cross-entropy of each example; a class weight scales the loss of the label's examples."""
        from core.tasks.targets.losses import cross_entropy

        return cross_entropy(logits, targets, class_weights, label_smoothing)

    def predictions(self, logits: Tensor) -> Tensor:
        """Return probabilities, a softmax over the labels: float32 [b, c]."""
        return logits.float().softmax(dim=-1)

    def class_weights(self, targets: Targets, labels: Sequence[str]) -> tuple[float, ...]:
        """Return n / (c * count) for each label, so that the mean weight of an example is 1.

        Source:
            King and Zeng, Logistic Regression in Rare Events Data (2001).
        """
        import numpy as np

        counts = np.bincount(targets.astype(np.int64), minlength=len(labels))
        return tuple((len(targets) / (len(labels) * np.maximum(1, counts))).tolist())

    def example_weights(self, targets: Targets, weights: Sequence[float]) -> NDArray[np.float32]:
        """Return the weight of each example's label, float32 [n]."""
        import numpy as np

        of_examples: NDArray[np.float32] = np.asarray(weights, dtype=np.float32)[targets.astype(np.int64)]
        return of_examples

    def baseline(self, train: Targets, examples: Sequence[Any], labels: Sequence[str]) -> dict[str, Predictions]:
        """Return each label's share of the training split as the prediction of each example."""
        import numpy as np

        shares = np.bincount(train.astype(np.int64), minlength=len(labels)) / len(train)
        return {"majority": np.tile(shares.astype(np.float32), (len(examples), 1))}

    def tables(
        self,
        predictions: Predictions,
        targets: Targets,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> dict[str, ResultTable]:
        """Return precision, recall and F1 by class, and the confusion matrix [c][c] (rows are true labels)."""
        from core.tasks.targets.counts import class_rows, confusion_matrix

        matrix = confusion_matrix(predictions, targets, len(labels))
        rows = class_rows(labels, matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1))
        return {"per_class": ResultTable(rows, PER_CLASS_TITLE), "confusion": ResultTable(matrix.tolist())}

    def write(
        self,
        prediction: Any,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
        example: Any = None,
    ) -> dict[str, Any]:
        """Return the most probable label and the probability of each label."""
        probabilities = probabilities_by_label(prediction, labels)
        return {"label": max(probabilities, key=probabilities.__getitem__), "probabilities": probabilities}

    def rows(self, line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield one row with a column for the probability of each label."""
        yield flat_line(line)

    def costs(
        self, predictions: Predictions, targets: Targets, class_weights: Sequence[float] | None = None
    ) -> NDArray[np.float64]:
        """Return the negative log-likelihood of each label, scaled by the label's weight, float64 [n]."""
        import numpy as np

        truth = targets.astype(np.int64)
        costs: NDArray[np.float64] = -np.log(
            np.maximum(predictions[np.arange(len(truth)), truth].astype(np.float64), _TINY)
        )
        return costs if class_weights is None else costs * np.asarray(class_weights)[truth]

    def samples(self, count: int, labels: Sequence[str]) -> list[Target]:
        """Return the labels in turn."""
        return [row % len(labels) for row in range(count)]

    def sample_predictions(
        self, targets: Targets, labels: Sequence[str], seed: int, perfect: bool = False
    ) -> Predictions:
        """Return probabilities drawn at random, or 1 for each true label."""
        import numpy as np

        if perfect:
            return np.eye(len(labels), dtype=np.float32)[targets.astype(np.int64)]
        return np.random.default_rng(seed).dirichlet(np.ones(len(labels)), len(targets)).astype(np.float32)

    def same_decisions(self, predictions: Predictions, labels: Sequence[str], seed: int) -> Predictions:
        """Return probabilities of 0 and 1 with the same most probable labels."""
        import numpy as np

        decided: NDArray[np.float32] = np.eye(len(labels), dtype=np.float32)[predictions.argmax(axis=1)]
        return decided

    def target_problem(self, target: Target, labels: Sequence[str], example: Any = None) -> str:
        """Return what is wrong with a label's index."""
        fits = isinstance(target, int) and not isinstance(target, bool) and 0 <= target < len(labels)
        return "" if fits else f"must be the index (int) of one of {len(labels)} labels"

    def problem(self, predictions: Predictions, n: int, labels: Sequence[str]) -> str:
        """Return what is wrong with probabilities that should sum to 1."""
        import numpy as np

        problem = probabilities_problem(predictions, n, labels)
        if not problem and np.abs(predictions.sum(axis=1) - 1).max() > 1e-4:
            return "must give probabilities that sum to 1 for each example; see core.training.to_predictions."
        return problem
