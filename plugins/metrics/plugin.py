"""The plugin of the built-in metrics."""

from __future__ import annotations

from collections.abc import Sequence

from core import Metric, hookimpl
from plugins.metrics.classification import (
    F1,
    Accuracy,
    AveragePrecision,
    BalancedAccuracy,
    ConfusionMatrix,
    Ece,
    HammingAccuracy,
    LogLoss,
    Mcc,
    Precision,
    Recall,
    RocAuc,
)
from plugins.metrics.detection import BOX_METRICS
from plugins.metrics.regression import R2, Mae, Rmse, Spearman


@hookimpl
def metrics() -> Sequence[type[Metric]]:
    """Return the metrics of this plugin."""
    plain: list[type[Metric]] = [
        Accuracy, HammingAccuracy, BalancedAccuracy, Precision, Recall, F1, Mcc, RocAuc, AveragePrecision,
        LogLoss, Ece, ConfusionMatrix, Mae, Rmse, R2, Spearman,
    ]  # fmt: skip
    return [*plain, *BOX_METRICS]
