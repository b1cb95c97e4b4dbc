"""The metrics of found objects: mean average precision and recall, and precision, recall and F1 at the threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.contracts import Metric
from core.kinds import BOXES, OutputSpec
from core.options import option
from plugins.metrics._scored import Scored, Scorer

IOUS = ("50-95", "50", "75")
AREAS = ("all", "small", "medium", "large")
IOU_HELP = (
    "How far a box must overlap the object to be right, in hundredths of intersection over union; 50-95 is the mean "
    "over 50, 55, …, 95."
)
AREA_HELP = (
    "Size of the objects that are looked for, in pixels of the stored image: small up to 32², medium up to 96², large "
    "above."
)
AVERAGES = ("micro", "macro", "none")
AVERAGE_HELP = (
    "Over labels: micro counts each object the same, macro each label, none gives a table with a value for each label."
)


@dataclass
class MeanAveragePrecision(Scored):
    """Area under the precision-recall curve of each label, as COCO has it (101 recalls), mean over labels.

    Keeps the boxes of every example in memory (24 bytes a box; of detections, the surest 100 of each label in an
    image). Crowds are neither right nor wrong. It is computed by faster-coco-eval, once for all metrics of one
    evaluation. Not defined where there is no object of that size.
    """

    name: ClassVar[str] = "mean_average_precision"
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    iou: str = option("50-95", IOU_HELP, choices=IOUS)
    area: str = option("all", AREA_HELP, choices=AREAS)
    table: str = option("none", "per_class gives a table with a value for each label.", choices=("none", "per_class"))

    def scorer(self, output: OutputSpec) -> Scorer:
        """Boxes, matched."""
        from plugins.metrics import _boxes

        return _boxes.precision(self.iou, self.area, self.table == "per_class", len(output.labels))


@dataclass
class MeanAverageRecall(Scored):
    """Share of objects that are found among the surest 100 detections of a label in an image, mean over labels.

    Keeps the boxes of every example in memory, as `mean_average_precision` does, with which it is computed.
    """

    name: ClassVar[str] = "mean_average_recall"
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    iou: str = option("50-95", IOU_HELP, choices=IOUS)
    area: str = option("all", AREA_HELP, choices=AREAS)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Boxes, matched."""
        from plugins.metrics import _boxes

        return _boxes.recall(self.iou, self.area, len(output.labels))


@dataclass
class BoxPrecision(Scored):
    """Share of found objects that are there, from the score on that validation chose; an overlap of 0.5 is right."""

    name: ClassVar[str] = "box_precision"
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    decides: ClassVar[bool] = True
    average: str = option("micro", AVERAGE_HELP, choices=AVERAGES)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Counts of objects."""
        from plugins.metrics import _found

        return _found.averaged("precision", self.average, len(output.labels))


@dataclass
class BoxRecall(Scored):
    """Share of objects that are found, from the score on that validation chose; an overlap of 0.5 is right."""

    name: ClassVar[str] = "box_recall"
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    decides: ClassVar[bool] = True
    average: str = option("micro", AVERAGE_HELP, choices=AVERAGES)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Counts of objects."""
        from plugins.metrics import _found

        return _found.averaged("recall", self.average, len(output.labels))


@dataclass
class BoxF1(Scored):
    """Harmonic mean of precision and recall of objects, from the score on that validation chose."""

    name: ClassVar[str] = "box_f1"
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    decides: ClassVar[bool] = True
    average: str = option("micro", AVERAGE_HELP, choices=AVERAGES)

    def scorer(self, output: OutputSpec) -> Scorer:
        """Counts of objects."""
        from plugins.metrics import _found

        return _found.averaged("f1", self.average, len(output.labels))


BOX_METRICS: tuple[type[Metric], ...] = (MeanAveragePrecision, MeanAverageRecall, BoxPrecision, BoxRecall, BoxF1)
