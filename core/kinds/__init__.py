"""What can be learned: the example, target and prediction types of each kind, and the shapes they use.

Shapes are written with these letters everywhere in Graft:

    n   examples in a split          b   examples in a batch
    c   labels                       s   tokens of the longest text in a batch
    d   width of a hidden state      r   bootstrap resamples
    h   height of an image           w   width of an image, in pixels
    k   objects in an image

Targets, as arrays over a split (`encode_targets`):

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
from core.kinds.images import ImageClassification, ImageExample
from core.kinds.kind import (
    BOXES,
    MULTI,
    MULTI_THRESHOLD,
    REGRESSION,
    SINGLE,
    Kind,
    Predictions,
    Target,
    Targets,
    encode_targets,
    objects,
    targets_of,
)
from core.kinds.texts import TextClassification, TextExample

__all__ = [
    "BOXES",
    "MULTI",
    "MULTI_THRESHOLD",
    "REGRESSION",
    "SINGLE",
    "BoxExample",
    "Boxes",
    "Corners",
    "Detections",
    "ImageClassification",
    "ImageExample",
    "Kind",
    "NamedBox",
    "ObjectDetection",
    "Predictions",
    "Target",
    "Targets",
    "TextClassification",
    "TextExample",
    "encode_targets",
    "objects",
    "targets_of",
]
