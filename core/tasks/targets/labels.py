"""The target types of labels: one label per example, or any number of labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.tasks.targets.target import DEFAULT_THRESHOLD, Encoder, ResultTable, Target, TargetType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from core.tasks.targets.target import Predictions, Targets
    from core.tasks.task import Task

SINGLE, MULTI = "single", "multi"
PER_CLASS_TITLE = "Per class, on the test split"


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

    def write_target(self, target: Target, labels: Sequence[str]) -> str:
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

    def baseline(self, train: Targets, n: int, labels: Sequence[str]) -> dict[str, Predictions]:
        """Return each label's share of the training split as a prediction, n times."""
        import numpy as np

        shares = np.bincount(train.astype(np.int64), minlength=len(labels)) / len(train)
        return {"majority": np.tile(shares.astype(np.float32), (n, 1))}

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
        probabilities = _probabilities(prediction, labels)
        return {"label": max(probabilities, key=probabilities.__getitem__), "probabilities": probabilities}

    def rows(self, line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield one row with a column for the probability of each label."""
        yield _flat(line)

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

        problem = _probabilities_problem(predictions, n, labels)
        if not problem and np.abs(predictions.sum(axis=1) - 1).max() > 1e-4:
            return "must give probabilities that sum to 1 for each example; see core.training.to_predictions."
        return problem


@dataclass
class MultiLabel(TargetType):
    """Any number of labels per example.

    A target is a sorted tuple of indices. Targets: float32 [n, c], 1 where the label applies. Predictions:
    probabilities, a sigmoid for each label, float32 [n, c]. Each label has its own threshold.
    """

    name: ClassVar[str] = MULTI
    has_thresholds: ClassVar[bool] = True
    train_options: ClassVar[frozenset[str]] = frozenset({"class_weights", "thresholds"})

    def encoder(self, task: Task) -> Encoder:
        """Return an encoder that takes any number of labels per row."""
        from core.tasks.targets.encoding import LabelEncoder

        return LabelEncoder(task, self, several=True)

    def stack(self, targets: Sequence[Target], labels: Sequence[str]) -> Targets:
        """Return 1 where a label applies and 0 elsewhere, float32 [n, c]."""
        import numpy as np

        encoded = np.zeros((len(targets), len(labels)), dtype=np.float32)
        for row, chosen in enumerate(targets):
            encoded[row, list(chosen)] = 1.0
        return encoded

    def labels_of(self, target: Target) -> tuple[int, ...]:
        """Return the indices of the labels."""
        indices: tuple[int, ...] = target
        return indices

    def write_target(self, target: Target, labels: Sequence[str]) -> list[str]:
        """Return the names of the labels."""
        return [labels[index] for index in target]

    def losses(
        self,
        logits: Tensor,
        targets: Tensor,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """Return the mean binary cross-entropy; a class weight scales the loss of its label where it applies."""
        from core.tasks.targets.losses import binary_cross_entropy

        return binary_cross_entropy(logits, targets, class_weights)

    def predictions(self, logits: Tensor) -> Tensor:
        """Return probabilities, a sigmoid for each label: float32 [b, c]."""
        return logits.float().sigmoid()

    def class_weights(self, targets: Targets, labels: Sequence[str]) -> tuple[float, ...]:
        """Return for each label the number of examples without it, divided by the number with it."""
        import numpy as np

        with_it = targets.sum(axis=0, dtype=np.float64)
        return tuple(((len(targets) - with_it) / np.maximum(1.0, with_it)).tolist())

    def choose_thresholds(self, predictions: Predictions, targets: Targets) -> tuple[float, ...]:
        """Return for each label the threshold with the highest F1."""
        from core.tasks.targets.thresholds import label_thresholds

        return label_thresholds(predictions, targets)

    def describe_thresholds(self, thresholds: Sequence[float]) -> str:
        """Return the range of the thresholds."""
        if all(each == DEFAULT_THRESHOLD for each in thresholds):
            return "thresholds: one half for every label; validation supports no other"
        span = f"{min(thresholds):.3g} to {max(thresholds):.3g}"
        return f"thresholds: {span}, chosen for each label on validation (during training the threshold is one half)"

    def decide(self, predictions: Predictions, thresholds: Sequence[float]) -> Predictions:
        """Return 1 where a probability reaches the label's threshold and 0 elsewhere, float32 [n, c]."""
        from core.tasks.targets.thresholds import decide

        return decide(predictions, thresholds)

    def baseline(self, train: Targets, n: int, labels: Sequence[str]) -> dict[str, Predictions]:
        """Return the frequency of each label in the training split as a prediction, n times."""
        import numpy as np

        return {"label_frequency": np.tile(train.mean(axis=0, dtype=np.float64).astype(np.float32), (n, 1))}

    def tables(
        self,
        predictions: Predictions,
        targets: Targets,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> dict[str, ResultTable]:
        """Return precision, recall and F1 by class, at the threshold of each label (one half if none was chosen)."""
        import numpy as np

        from core.tasks.targets.counts import class_rows

        limits = np.full(len(labels), DEFAULT_THRESHOLD) if thresholds is None else np.asarray(thresholds, np.float64)
        chosen, true = predictions >= limits, targets >= 0.5
        hits, predicted, support = (each.sum(axis=0) for each in (chosen & true, chosen, true))
        rows = class_rows(labels, hits, predicted, support)
        if thresholds is not None:
            rows = [row | {"threshold": float(limit)} for row, limit in zip(rows, thresholds, strict=True)]
        return {"per_class": ResultTable(rows, PER_CLASS_TITLE)}

    def write(
        self,
        prediction: Any,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
        example: Any = None,
    ) -> dict[str, Any]:
        """Return the labels that reach their threshold, and the probability of each label."""
        limits = [DEFAULT_THRESHOLD] * len(labels) if thresholds is None else thresholds
        chosen = [label for label, p, limit in zip(labels, prediction, limits, strict=True) if float(p) >= limit]
        return {"labels": chosen, "probabilities": _probabilities(prediction, labels)}

    def rows(self, line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield one row: the labels joined by `|`, and a column for the probability of each label."""
        flat = _flat(line)
        yield flat | {"labels": "|".join(flat["labels"])}

    def samples(self, count: int, labels: Sequence[str]) -> list[Target]:
        """Return sets of one to all labels in turn, none of them empty."""
        subsets = 2 ** len(labels) - 1
        return [
            tuple(label for label in range(len(labels)) if (row % subsets + 1) >> label & 1) for row in range(count)
        ]

    def sample_predictions(
        self, targets: Targets, labels: Sequence[str], seed: int, perfect: bool = False
    ) -> Predictions:
        """Return probabilities drawn at random, or 1 for each true label."""
        import numpy as np

        if perfect:
            return targets
        return np.random.default_rng(seed).random(targets.shape).astype(np.float32)

    def same_decisions(self, predictions: Predictions, labels: Sequence[str], seed: int) -> Predictions:
        """Return probabilities of 0 and 1 that choose the same labels at a threshold of one half."""
        from core.tasks.targets.thresholds import decide

        return decide(predictions, [DEFAULT_THRESHOLD] * len(labels))

    def target_problem(self, target: Target, labels: Sequence[str], example: Any = None) -> str:
        """Return what is wrong with a tuple of label indices."""
        fits = isinstance(target, tuple) and all(isinstance(each, int) and 0 <= each < len(labels) for each in target)
        return "" if fits and list(target) == sorted(set(target)) else "must be a sorted tuple of label indices"

    def problem(self, predictions: Predictions, n: int, labels: Sequence[str]) -> str:
        """Return what is wrong with probabilities."""
        return _probabilities_problem(predictions, n, labels)


def _probabilities(prediction: Any, labels: Sequence[str]) -> dict[str, float]:
    return {label: round(float(p), 6) for label, p in zip(labels, prediction, strict=True)}


def _flat(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line of predictions with a column for each probability."""
    flat = {key: value for key, value in line.items() if key != "probabilities"}
    return flat | {f"p({label})": p for label, p in line.get("probabilities", {}).items()}


def _probabilities_problem(predictions: Predictions, n: int, labels: Sequence[str]) -> str:
    import numpy as np

    if predictions.shape != (n, len(labels)):
        return f"must give float32 {[n, len(labels)]}; it gives {list(predictions.shape)}."
    if not np.isfinite(predictions).all():
        return "gives values that are not finite."
    if (predictions < 0).any() or (predictions > 1).any():
        return "must give probabilities, and some lie outside 0 to 1; see core.training.to_predictions."
    return ""
