"""The target type of values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.tasks.targets.encoded import Encoder, Target
from core.tasks.targets.target import TargetType

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from core.tasks.targets.target import Predictions, Targets
    from core.tasks.task import Task

REGRESSION = "regression"


@dataclass
class Regression(TargetType):
    """A value per example.

    A target is a float. Targets and predictions: float32 [n].
    """

    name: ClassVar[str] = REGRESSION
    has_labels: ClassVar[bool] = False

    def encoder(self, task: Task) -> Encoder:
        """Return an encoder that takes one number per row."""
        from core.tasks.targets.encoding import ValueEncoder

        return ValueEncoder(self)

    def stack(self, targets: Sequence[Target], labels: Sequence[str]) -> Targets:
        """Return the values, float32 [n]."""
        import numpy as np

        return np.asarray(targets, dtype=np.float32)

    def labels_of(self, target: Target) -> tuple[int, ...]:
        """Return no label, because a value has none."""
        return ()

    def write_target(self, target: Target, labels: Sequence[str], example: Any = None) -> float:
        """Return the value."""
        value: float = target
        return value

    def strata(self, targets: Sequence[Target]) -> NDArray[np.int64]:
        """Return the decile of each value, int64 [n]."""
        import numpy as np

        values = np.asarray(targets, dtype=np.float64)
        edges = np.unique(np.quantile(values, np.linspace(0.1, 0.9, 9)))
        return np.searchsorted(edges, values).astype(np.int64)

    def outputs(self, labels: Sequence[str]) -> int:
        """Return 1."""
        return 1

    def losses(
        self,
        logits: Tensor,
        targets: Tensor,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """Return the squared error of each example."""
        from core.tasks.targets.losses import squared_error

        return squared_error(logits, targets)

    def predictions(self, logits: Tensor) -> Tensor:
        """Return the values, float32 [b]."""
        return logits.float().reshape(len(logits))

    def baseline(self, train: Targets, examples: Sequence[Any], labels: Sequence[str]) -> dict[str, Predictions]:
        """Return the mean of the training split as the prediction of each example."""
        import numpy as np

        return {"mean": np.full(len(examples), train.mean(), dtype=np.float32)}

    def write(
        self,
        prediction: Any,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
        example: Any = None,
    ) -> dict[str, Any]:
        """Return the value."""
        return {"value": float(prediction)}

    def costs(
        self, predictions: Predictions, targets: Targets, class_weights: Sequence[float] | None = None
    ) -> NDArray[np.float64]:
        """Return the squared error of each value, float64 [n]."""
        import numpy as np

        return (predictions.astype(np.float64) - targets) ** 2

    def samples(self, count: int, labels: Sequence[str]) -> list[Target]:
        """Return 100, 110 and 120 in turn."""
        return [10.0 * (row % 3) + 100.0 for row in range(count)]

    def sample_predictions(
        self, targets: Targets, labels: Sequence[str], seed: int, perfect: bool = False
    ) -> Predictions:
        """Return values drawn at random around the mean of the targets, or the targets."""
        import numpy as np

        if perfect:
            return targets
        return np.random.default_rng(seed).normal(targets.mean(), targets.std(), len(targets)).astype(np.float32)

    def target_problem(self, target: Target, labels: Sequence[str], example: Any = None) -> str:
        """Return what is wrong with a value."""
        return "" if isinstance(target, float) and math.isfinite(target) else "must be a finite float"

    def problem(self, predictions: Predictions, n: int, labels: Sequence[str]) -> str:
        """Return what is wrong with values."""
        import numpy as np

        if predictions.shape != (n,):
            return f"must give float32 {[n]}; it gives {list(predictions.shape)}."
        return "" if np.isfinite(predictions).all() else "gives values that are not finite."
