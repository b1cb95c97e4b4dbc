"""What can be learned: examples, task types, target types, predictions, and the array shapes of all of them.

These letters stand for array dimensions everywhere in Graft:

    n   examples in a split          b   examples in a batch
    c   labels                       s   tokens of the longest text in a batch
    d   width of a hidden state      r   bootstrap resamples
    h   height of an image           w   width of an image, in pixels
    k   objects in an image

The target of one example (`example.target`), as the encoder of its target type returns it:

    single       int              the index of its label
    multi        tuple[int, ...]  the sorted indices of its labels
    regression   float            the value
    boxes        `Boxes`          corners in pixels, label indices and crowd flags of its objects

The targets of a split (`TargetType.stack`):

    single       int64   [n]      the index of the label
    multi        float32 [n, c]   1 where the label applies, else 0
    regression   float32 [n]      the value
    boxes        object  [n]      one `Boxes` per example; `Boxes.arrays()` has corners float32 [k, 4], labels int64 [k]

The logits of a batch and the loss of each example, for target types with `TargetType.losses`:

    single       float32 [b, c]   loss float32 [b]   cross-entropy
    multi        float32 [b, c]   loss float32 [b]   binary cross-entropy, the mean over labels
    regression   float32 [b, 1]   loss float32 [b]   squared error
    boxes        no logits: the model computes its own loss, float32 [b] or their mean []

The predictions for a split, in its order:

    single       float32 [n, c]   probabilities, a softmax over the labels
    multi        float32 [n, c]   probabilities, a sigmoid per label
    regression   float32 [n]      the value
    boxes        object  [n]      one `Detections` per example: corners float32 [k, 4], scores float32 [k],
                                  labels int64 [k], the most confident first

The thresholds that the validation split chooses, and a prediction in a line of `predictions.jsonl`:

    single       none                   `label`, `probabilities`
    multi        one per label          `labels`, `probabilities`
    regression   none                   `value`
    boxes        one score, `objects`   `objects`, each with `label`, `score` and `box`

A target type of a plugin has its own rows in these tables, or those of the type that it names in `TargetType.like`.

An image is a file, given as a path or as bytes. `core.images` reads it as RGB, uint8 [h, w, 3].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.tasks.detection.boxes import Boxes, BoxExample, Corners, Detections, NamedBox
    from core.tasks.detection.matching import COCO_SIZES, MAX_PER_LABEL, Matches, match, match_at, most_confident
    from core.tasks.detection.precision_recall import precision_recall
    from core.tasks.detection.target import BOXES, BoxesTarget
    from core.tasks.detection.task import ObjectDetection
    from core.tasks.image import ImageClassification, ImageExample
    from core.tasks.output import OutputSpec
    from core.tasks.targets.counts import Array, divide, precision_recall_f1
    from core.tasks.targets.encoded import Encoded, Encoder, Target, objects
    from core.tasks.targets.encoding import label_name, natural
    from core.tasks.targets.multi_label import MULTI, MultiLabel
    from core.tasks.targets.regression import REGRESSION, Regression
    from core.tasks.targets.single_label import SINGLE, SingleLabel
    from core.tasks.targets.target import DEFAULT_THRESHOLD, Predictions, ResultTable, Targets, TargetType
    from core.tasks.task import Task
    from core.tasks.task_type import TaskType
    from core.tasks.text import TextClassification, TextExample, surrogate_problem
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.tasks.detection.boxes": ("BoxExample", "Boxes", "Corners", "Detections", "NamedBox"),
            "core.tasks.detection.matching": (
                "COCO_SIZES",
                "MAX_PER_LABEL",
                "Matches",
                "match",
                "match_at",
                "most_confident",
            ),
            "core.tasks.detection.precision_recall": ("precision_recall",),
            "core.tasks.detection.target": ("BOXES", "BoxesTarget"),
            "core.tasks.detection.task": ("ObjectDetection",),
            "core.tasks.image": ("ImageClassification", "ImageExample"),
            "core.tasks.output": ("OutputSpec",),
            "core.tasks.targets.counts": ("Array", "divide", "precision_recall_f1"),
            "core.tasks.targets.encoding": ("label_name", "natural"),
            "core.tasks.targets.multi_label": ("MULTI", "MultiLabel"),
            "core.tasks.targets.single_label": ("SINGLE", "SingleLabel"),
            "core.tasks.targets.regression": ("REGRESSION", "Regression"),
            "core.tasks.targets.encoded": ("Encoded", "Encoder", "Target", "objects"),
            "core.tasks.targets.target": (
                "DEFAULT_THRESHOLD",
                "Predictions",
                "ResultTable",
                "TargetType",
                "Targets",
            ),
            "core.tasks.task": ("Task",),
            "core.tasks.task_type": ("TaskType",),
            "core.tasks.text": ("TextClassification", "TextExample", "surrogate_problem"),
        },
    )

__all__ = [
    "BOXES",
    "COCO_SIZES",
    "DEFAULT_THRESHOLD",
    "MAX_PER_LABEL",
    "MULTI",
    "REGRESSION",
    "SINGLE",
    "Array",
    "BoxExample",
    "Boxes",
    "BoxesTarget",
    "Corners",
    "Detections",
    "Encoded",
    "Encoder",
    "ImageClassification",
    "ImageExample",
    "Matches",
    "MultiLabel",
    "NamedBox",
    "ObjectDetection",
    "OutputSpec",
    "Predictions",
    "Regression",
    "ResultTable",
    "SingleLabel",
    "Target",
    "TargetType",
    "Targets",
    "Task",
    "TaskType",
    "TextClassification",
    "TextExample",
    "divide",
    "label_name",
    "match",
    "match_at",
    "most_confident",
    "natural",
    "objects",
    "precision_recall",
    "precision_recall_f1",
    "surrogate_problem",
]
