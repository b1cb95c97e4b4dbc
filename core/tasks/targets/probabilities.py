"""What target types that predict probabilities share: how they are written and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.tasks.targets.target import Predictions

PER_CLASS_TITLE = "Per class, on the test split"
"""The heading of the table of precision, recall and F1 by label."""


def probabilities_by_label(prediction: Any, labels: Sequence[str]) -> dict[str, float]:
    """Return the probability of each label, rounded to six decimals."""
    return {label: round(float(p), 6) for label, p in zip(labels, prediction, strict=True)}


def flat_line(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line of predictions with a column for each probability."""
    flat = {key: value for key, value in line.items() if key != "probabilities"}
    return flat | {f"p({label})": p for label, p in line.get("probabilities", {}).items()}


def probabilities_problem(predictions: Predictions, n: int, labels: Sequence[str]) -> str:
    """Return what is wrong with the probabilities of n examples, or an empty text."""
    import numpy as np

    if predictions.shape != (n, len(labels)):
        return f"must give float32 {[n, len(labels)]}; it gives {list(predictions.shape)}."
    if not np.isfinite(predictions).all():
        return "gives values that are not finite."
    if (predictions < 0).any() or (predictions > 1).any():
        return "must give probabilities, and some lie outside 0 to 1; see core.training.to_predictions."
    return ""
