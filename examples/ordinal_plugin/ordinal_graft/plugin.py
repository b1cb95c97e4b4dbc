"""The target type `ordinal`: one label per example, from labels in an order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from core import TargetType, hookimpl
from core.tasks import Encoded, Encoder, ResultTable, SingleLabel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from core import Task
    from core.data import RowIssue
    from core.tasks import Predictions, Targets


@dataclass
class Ordinal(SingleLabel):
    """One label per example, from labels in an order.

    A target is the label's position in the order (int). Targets: int64 [n]. A model has c - 1 logits: logit k says
    whether the label lies above position k. Predictions: the probability of each label, float32 [n, c].

    Source:
        Frank and Hall, A Simple Approach to Ordinal Classification (2001).
    """

    name: ClassVar[str] = "ordinal"
    like: ClassVar[str] = "single"
    task_types: ClassVar[tuple[str, ...]] = ("text-classification", "image-classification")
    train_options: ClassVar[frozenset[str]] = frozenset()

    def encoder(self, task: Task) -> Encoder:
        """Return an encoder that refuses labels without a stated order."""
        return OrdinalEncoder(super().encoder(task), stated=bool(task.labels))

    def outputs(self, labels: Sequence[str]) -> int:
        """Return the number of steps between the labels."""
        return len(labels) - 1

    def losses(
        self,
        logits: Tensor,
        targets: Tensor,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
    ) -> Tensor:
        """Return the sum over the steps of the binary cross-entropy, float32 [b]."""
        import torch
        from torch.nn import functional

        steps = torch.arange(logits.shape[1], device=logits.device)
        above = (targets[:, None] > steps).float()
        return functional.binary_cross_entropy_with_logits(logits.float(), above, reduction="none").sum(dim=1)

    def predictions(self, logits: Tensor) -> Tensor:
        """Return the probability of each label, float32 [b, c]: differences of the steps' probabilities."""
        import torch

        above = logits.float().sigmoid().cummin(dim=1).values  # a label above k + 1 is above k, too
        ends = torch.ones_like(above[:, :1])
        return torch.cat([ends, above], dim=1) - torch.cat([above, 0 * ends], dim=1)

    def example_weights(self, targets: Targets, weights: Sequence[float]) -> NDArray[np.float32] | None:  # type: ignore[override]
        """Return None: the labels have no weights."""
        return None

    def tables(
        self,
        predictions: Predictions,
        targets: Targets,
        labels: Sequence[str],
        thresholds: Sequence[float] | None = None,
    ) -> dict[str, ResultTable]:
        """Return the tables of `single`, and a table of how many steps predictions are off."""
        import numpy as np

        off = np.bincount(np.abs(predictions.argmax(axis=1) - targets), minlength=len(labels))
        rows = [{"steps": steps, "examples": int(count)} for steps, count in enumerate(off)]
        table = ResultTable(rows, "Steps between truth and prediction, on the test split")
        return super().tables(predictions, targets, labels) | {"steps_off": table}


class OrdinalEncoder:
    """Encodes one label per row, and reports labels without a known order.

    Args:
        inner: Encodes the labels.
        stated: Whether `task.labels` states their order.
    """

    def __init__(self, inner: Encoder, stated: bool) -> None:
        self._inner, self._stated = inner, stated

    def add(self, raw: object) -> RowIssue | None:
        """Add one label, or return its issue."""
        return self._inner.add(raw)

    def finish(self) -> tuple[Encoded, list[tuple[str, str]]]:
        """Return the targets and complaints; labels that are not numbers need `task.labels`."""
        encoded, complaints = self._inner.finish()
        if not self._stated and not all(_is_number(label) for label in encoded.labels):
            found = ", ".join(encoded.labels[:5])
            cure = "State it from low to high: 'task.labels=[low,normal,high]'."
            complaints = [*complaints, (f"the order of the labels ({found}) is not known.", cure)]
        return encoded, complaints


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True


@hookimpl
def target_types() -> Sequence[type[TargetType]]:
    """Return the target types of this plugin."""
    return [Ordinal]
