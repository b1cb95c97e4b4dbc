"""Metrics of detection: mean average precision and recall; precision, recall and F1 at a score threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core import Metric, OutputSpec, option
from core.tasks import BOXES
from plugins.metrics.scorers.scorer import Scored, Scorer

IOUS = ("50-95", "50", "75")
AREAS = ("all", "small", "medium", "large")
IOU_HELP = "Minimum overlap (intersection over union, in percent) of a correct box. 50-95: the mean over 50, 55, …, 95."
AREA_HELP = (
    "Size of the objects counted, in pixels of the stored image: small up to 32², medium up to 96², large above."
)
AVERAGES = ("micro", "macro", "none")
AVERAGE_HELP = "How labels are averaged. micro: each object counts the same. macro: each label. none: a table by label."


@dataclass
class MeanAveragePrecision(Scored):
    """Area under each label's precision-recall curve by COCO's rules (101 recall levels), averaged over labels.

    Keeps all objects and the 100 most confident detections per label and image in memory, at 24 bytes per box. Crowds
    count neither as correct nor as wrong. faster-coco-eval computes the value once for all metrics of an evaluation.
    Undefined if there is no object of that size.
    """

    name: ClassVar[str] = "mean_average_precision"
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    iou: str = option("50-95", IOU_HELP, choices=IOUS)
    area: str = option("all", AREA_HELP, choices=AREAS)
    table: str = option("none", "per_class: a table with one value per label.", choices=("none", "per_class"))

    def scorer(self, output: OutputSpec) -> Scorer:
        """Boxes, matched."""
        from plugins.metrics.scorers import detection_curves

        return detection_curves.precision(self.iou, self.area, self.table == "per_class", len(output.labels))


@dataclass
class MeanAverageRecall(Scored):
    """Share of objects found among the 100 most confident detections per label and image, averaged over labels.

    It is computed together with `mean_average_precision`, and keeps all boxes in memory.
    """

    name: ClassVar[str] = "mean_average_recall"
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    iou: str = option("50-95", IOU_HELP, choices=IOUS)
    area: str = option("all", AREA_HELP, choices=AREAS)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Boxes, matched."""
        from plugins.metrics.scorers import detection_curves

        return detection_curves.recall(self.iou, self.area, len(output.labels))


@dataclass
class BoxPrecision(Scored):
    """Share of detections that are correct (overlap of at least 0.5), at the threshold chosen on validation."""

    name: ClassVar[str] = "box_precision"
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    decides: ClassVar[bool] = True
    average: str = option("micro", AVERAGE_HELP, choices=AVERAGES)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return a score of the objects' counts."""
        from plugins.metrics.scorers import detection_counts

        return detection_counts.averaged("precision", self.average, len(output.labels))


@dataclass
class BoxRecall(Scored):
    """Share of objects that are found (overlap of at least 0.5), at the threshold chosen on validation."""

    name: ClassVar[str] = "box_recall"
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    decides: ClassVar[bool] = True
    average: str = option("micro", AVERAGE_HELP, choices=AVERAGES)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return a score of the objects' counts."""
        from plugins.metrics.scorers import detection_counts

        return detection_counts.averaged("recall", self.average, len(output.labels))


@dataclass
class BoxF1(Scored):
    """Harmonic mean of precision and recall of objects, at the threshold chosen on validation."""

    name: ClassVar[str] = "box_f1"
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    decides: ClassVar[bool] = True
    average: str = option("micro", AVERAGE_HELP, choices=AVERAGES)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Return a score of the objects' counts."""
        from plugins.metrics.scorers import detection_counts

        return detection_counts.averaged("f1", self.average, len(output.labels))


BOX_METRICS: tuple[type[Metric], ...] = (MeanAveragePrecision, MeanAverageRecall, BoxPrecision, BoxRecall, BoxF1)
