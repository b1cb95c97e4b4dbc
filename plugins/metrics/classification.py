"""Metrics of classification with one label or several.

Averages over labels leave out labels that do not occur in a split. An undefined score is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core import OutputSpec, option
from core.tasks import MULTI, SINGLE
from plugins.metrics.scorers.scorer import Scored, Scorer

AVERAGES = ("macro", "micro", "weighted", "none")
AVERAGE_HELP = (
    "How labels are averaged. macro: each label counts the same. weighted: by its number of examples. micro: each "
    "decision counts the same. none: a table by label."
)
RANK_AVERAGES = ("macro", "weighted", "none")
RANK_AVERAGE_HELP = (
    "How labels are averaged. macro: each label counts the same. weighted: by its number of examples. none: a table by "
    "label."
)


@dataclass
class Accuracy(Scored):
    """Share of correct examples. With several labels, the whole set must be correct."""

    name: ClassVar[str] = "accuracy"
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI)
    decides: ClassVar[bool] = True

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return the share of correct examples."""
        from plugins.metrics.scorers import means

        return means.accuracy(output.layout)


@dataclass
class HammingAccuracy(Scored):
    """Share of correct (example, label) decisions."""

    name: ClassVar[str] = "hamming_accuracy"
    targets: ClassVar[tuple[str, ...]] = (MULTI,)
    decides: ClassVar[bool] = True

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return the mean share of correct labels."""
        from plugins.metrics.scorers import means

        return means.hamming_accuracy()


@dataclass
class BalancedAccuracy(Scored):
    """Mean recall over the labels that occur (Brodersen et al. 2010)."""

    name: ClassVar[str] = "balanced_accuracy"
    targets: ClassVar[tuple[str, ...]] = (SINGLE,)
    decides: ClassVar[bool] = True

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return a score of each label's counts."""
        from plugins.metrics.scorers import label_counts

        return label_counts.balanced_accuracy(len(output.labels), output.layout)


@dataclass
class Precision(Scored):
    """Share of a label's predictions that are correct."""

    name: ClassVar[str] = "precision"
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI)
    decides: ClassVar[bool] = True
    average: str = option("macro", AVERAGE_HELP, choices=AVERAGES)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return a score of each label's counts."""
        from plugins.metrics.scorers import label_counts

        return label_counts.averaged("precision", self.average, len(output.labels), output.layout)


@dataclass
class Recall(Scored):
    """Share of a label's examples that are found."""

    name: ClassVar[str] = "recall"
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI)
    decides: ClassVar[bool] = True
    average: str = option("macro", AVERAGE_HELP, choices=AVERAGES)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return a score of each label's counts."""
        from plugins.metrics.scorers import label_counts

        return label_counts.averaged("recall", self.average, len(output.labels), output.layout)


@dataclass
class F1(Scored):
    """Harmonic mean of precision and recall."""

    name: ClassVar[str] = "f1"
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI)
    decides: ClassVar[bool] = True
    average: str = option("macro", AVERAGE_HELP, choices=AVERAGES)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return a score of each label's counts."""
        from plugins.metrics.scorers import label_counts

        return label_counts.averaged("f1", self.average, len(output.labels), output.layout)


@dataclass
class Mcc(Scored):
    """Matthews correlation coefficient, for any number of labels (Gorodkin 2004); 0 if there is only one label."""

    name: ClassVar[str] = "mcc"
    targets: ClassVar[tuple[str, ...]] = (SINGLE,)
    decides: ClassVar[bool] = True

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return a score of each label's counts."""
        from plugins.metrics.scorers import label_counts

        return label_counts.mcc(len(output.labels), output.layout)


@dataclass
class RocAuc(Scored):
    """Exact area under the ROC curve: of the second of two labels, else of each label against the rest.

    Keeps the predictions (4 bytes per label) and the target of every example in memory.
    """

    name: ClassVar[str] = "roc_auc"
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI)
    average: str = option("macro", RANK_AVERAGE_HELP, choices=RANK_AVERAGES)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Ranks."""
        from plugins.metrics.scorers import ranks

        return ranks.roc_auc(self.average, output.layout)


@dataclass
class AveragePrecision(Scored):
    """Exact area under the precision-recall curve: of the second of two labels, else of each label against the rest.

    Keeps the predictions (4 bytes per label) and the target of every example in memory.
    """

    name: ClassVar[str] = "average_precision"
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI)
    average: str = option("macro", RANK_AVERAGE_HELP, choices=RANK_AVERAGES)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Ranks."""
        from plugins.metrics.scorers import ranks

        return ranks.average_precision(self.average, output.layout)


@dataclass
class LogLoss(Scored):
    """Mean negative log probability of the true labels (cross-entropy); with several labels, averaged over them."""

    name: ClassVar[str] = "log_loss"
    higher_is_better: ClassVar[bool] = False
    targets: ClassVar[tuple[str, ...]] = (SINGLE, MULTI)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return the mean negative logarithm."""
        from plugins.metrics.scorers import means

        return means.log_loss(output.layout)


@dataclass
class Ece(Scored):
    """Expected calibration error of the highest probability, over equally wide bins (Naeini et al. 2015)."""

    name: ClassVar[str] = "ece"
    targets: ClassVar[tuple[str, ...]] = (SINGLE,)
    higher_is_better: ClassVar[bool] = False
    bins: int = option(15, "Number of equally wide bins between 0 and 1.", low=1)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return the gaps between accuracy and confidence in the bins."""
        from plugins.metrics.scorers import means

        return means.calibration(self.bins)


@dataclass
class ConfusionMatrix(Scored):
    """How often each label (row) was predicted as each label (column): a table [c, c]."""

    name: ClassVar[str] = "confusion_matrix"
    targets: ClassVar[tuple[str, ...]] = (SINGLE,)
    decides: ClassVar[bool] = True

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return torchmetrics' confusion matrix."""
        from plugins.metrics.scorers import label_counts

        return label_counts.ConfusionTable(len(output.labels))
