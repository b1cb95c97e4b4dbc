"""The target type of any number of labels per example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.tasks.targets.encoded import Encoder, Target
from core.tasks.targets.probabilities import PER_CLASS_TITLE, flat_line, probabilities_by_label, probabilities_problem
from core.tasks.targets.target import DEFAULT_THRESHOLD, ResultTable, TargetType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from core.tasks.targets.target import Predictions, Targets
    from core.tasks.task import Task

MULTI = "multi"


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

    def write_target(self, target: Target, labels: Sequence[str], example: Any = None) -> list[str]:
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

    def baseline(self, train: Targets, examples: Sequence[Any], labels: Sequence[str]) -> dict[str, Predictions]:
        """Return the frequency of each label in the training split as the prediction of each example."""
        import numpy as np

        frequencies = train.mean(axis=0, dtype=np.float64).astype(np.float32)
        return {"label_frequency": np.tile(frequencies, (len(examples), 1))}

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
        return {"labels": chosen, "probabilities": probabilities_by_label(prediction, labels)}

    def rows(self, line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield one row: the labels joined by `|`, and a column for the probability of each label."""
        flat = flat_line(line)
        yield flat | {"labels": "|".join(flat["labels"])}

    def costs(
        self, predictions: Predictions, targets: Targets, class_weights: Sequence[float] | None = None
    ) -> NDArray[np.float64]:
        """Return the negative log-likelihood of each set of labels; weights scale labels that apply, float64 [n]."""
        import numpy as np

        p = predictions.astype(np.float64).clip(1e-30, 1 - 1e-12)  # finite logarithms
        weights = 1.0 if class_weights is None else np.asarray(class_weights)
        costs: NDArray[np.float64] = -(targets * weights * np.log(p) + (1 - targets) * np.log1p(-p)).sum(axis=1)
        return costs

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
        return probabilities_problem(predictions, n, labels)
