"""What can be learned: examples of each task type, target types, predictions, and the shapes they use.

Shapes are written with these letters everywhere in Graft:

    n   examples in a split          b   examples in a batch
    c   labels                       s   tokens of the longest text in a batch
    d   width of a hidden state      r   bootstrap resamples
    h   height of an image           w   width of an image, in pixels
    k   objects in an image

Targets, as arrays over a split (`TargetType.stack`):

    single       int64   [n]      the index of the label
    multi        float32 [n, c]   1 where the label applies, else 0
    regression   float32 [n]      the value
    boxes        object  [n]      a `Boxes` each: corners float32 [k, 4], labels int64 [k]

Predictions, in the order of the split:

    single       float32 [n, c]   probabilities, a softmax over the labels
    multi        float32 [n, c]   probabilities, a sigmoid for each label
    regression   float32 [n]      the value
    boxes        object  [n]      a `Detections` each: corners float32 [k, 4], scores float32 [k], labels int64 [k]

An image is a file, by its path or its bytes; what is in it is read by `core.images` as RGB, uint8 [h, w, 3].
"""

from __future__ import annotations

from core.kinds.boxes import Boxes, Corners, Detections, NamedBox
from core.kinds.detection import BoxExample, ObjectDetection
from core.kinds.detection_target import BOXES, BoxesTarget
from core.kinds.images import ImageClassification, ImageExample
from core.kinds.kind import Kind
from core.kinds.output import OutputSpec
from core.kinds.targets.labels import MULTI, SINGLE, MultiLabel, SingleLabel
from core.kinds.targets.regression import REGRESSION, Regression
from core.kinds.targets.target import (
    DEFAULT_THRESHOLD,
    Encoded,
    Encoder,
    Predictions,
    ResultTable,
    Target,
    Targets,
    TargetType,
    objects,
)
from core.kinds.texts import TextClassification, TextExample

__all__ = [
    "BOXES",
    "DEFAULT_THRESHOLD",
    "MULTI",
    "REGRESSION",
    "SINGLE",
    "BoxExample",
    "Boxes",
    "BoxesTarget",
    "Corners",
    "Detections",
    "Encoded",
    "Encoder",
    "ImageClassification",
    "ImageExample",
    "Kind",
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
    "TextClassification",
    "TextExample",
    "objects",
]
