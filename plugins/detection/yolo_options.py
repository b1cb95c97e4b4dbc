"""The options of YOLO."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import Problem
from core.options import option

VERSIONS = ("26", "12", "11", "8")
SIZES = ("n", "s", "m", "l", "x")
NARROWEST = {"26": 0.125, "12": 0.25, "11": 0.125}
"""The least width that the generations with attention can have."""


@dataclass
class YoloOptions:
    """The network, where its weights come from, its loss, and how images are read, varied and searched."""

    version: str = option("26", "The generation of YOLO, where no checkpoint says it.", choices=VERSIONS)
    size: str = option("n", "From nano to extra large: n, s, m, l, x; likewise.", choices=SIZES)
    depth: float | None = option(None, "Share of the layers of the full design; null goes by size.", above=0, high=2)
    width: float | None = option(None, "Share of the channels of it; null goes by size.", low=0.0625, high=2)
    checkpoint: str = option(
        "",
        "Weights to start from: a .pt file of Ultralytics' (with trust=true), or the model/ folder of a run.",
        folder=True,
    )
    trust: bool = option(
        False, "Whether to unpickle a .pt file, which may run any code that its author put into it, on loading."
    )
    init: str = option(
        "auto",
        "auto: the checkpoint where one is given, else from scratch; pretrained: the checkpoint, or fail; scratch: the "
        "architecture alone. Nothing is ever downloaded.",
        choices=("auto", "pretrained", "scratch"),
    )
    sha256: str = option("", "What the checkpoint's file must hash to; empty for anything.")
    image_size: int = option(
        0, "Long side in pixels that images are scaled to, a multiple of 32; 0 goes by the images, and says so.", low=0
    )
    one_to_one: bool = option(
        False,
        "Train a second head that finds each object once (YOLO26's recipe) and predict with it, without NMS.",
    )
    scratch_examples: int = option(
        29000, "From scratch: examples, repeats counted, that epochs=null aims at (12 to 300 epochs).", low=1
    )
    scratch_learning_rate: float = option(1e-3, "From scratch: the rate that learning_rate=null takes.", above=0)
    box: float = option(7.5, "Weight of the overlap of boxes in the loss.", low=0)
    cls: float = option(0.5, "Weight of the labels in the loss.", low=0)
    dfl: float = option(1.5, "Weight of the distances of the sides in the loss.", low=0)
    augment: bool = option(True, "Whether training images are varied; false shows them as they are.")
    mosaic: float = option(1.0, "Share of training images put together with three others.", low=0, high=1)
    close_mosaic: int = option(
        10, "No mosaic, mixup and cutmix for so many last epochs, or the last third if that is less; 0 never closes.",
        low=0,
    )  # fmt: skip
    mixup: float = option(0.0, "Share blended with another one (Zhang et al. 2018).", low=0, high=1)
    cutmix: float = option(0.0, "Share with a part of another one pasted in (Yun et al. 2019).", low=0, high=1)
    degrees: float = option(0.0, "Turned by up to so many degrees.", low=0, high=180)
    translate: float = option(0.1, "Moved by up to this share of the side.", low=0, high=0.9)
    scale: float = option(0.5, "Scaled by up to this share, up or down.", low=0, high=0.95)
    shear: float = option(0.0, "Sheared by up to so many degrees.", low=0, high=60)
    perspective: float = option(0.0, "Strength of perspective; 0.001 is much.", low=0, high=0.001)
    flipud: float = option(0.0, "Share turned upside down.", low=0, high=1)
    fliplr: float = option(0.5, "Share mirrored left to right; 0 for digits, text and hands.", low=0, high=1)
    hsv_h: float = option(0.015, "Hue changed by up to this share of the circle.", low=0, high=1)
    hsv_s: float = option(0.7, "Saturation changed by up to this share.", low=0, high=1)
    hsv_v: float = option(0.4, "Brightness changed by up to this share.", low=0, high=1)
    score_threshold: float = option(0.001, "Objects with a lower score are not looked at.", low=0, high=1)
    nms_threshold: float = option(
        0.7, "Of objects of one label that overlap by more than this, only the surest is kept.", above=0, high=1
    )
    max_detections: int = option(100, "Objects predicted in one image, at most: the surest.", low=1, high=1000)
    cache_mb: int = option(
        2048, "Decoded, resized images are kept where they fit in so many MiB; else they are decoded each time.", low=0
    )


def untrusted(checkpoint: str) -> Problem:
    """Why a `.pt` file is not read."""
    message = (
        f"{checkpoint} is a pickle: reading it may run any code that its author put into it, "
        "and Ultralytics' files hold their whole network that way, so they cannot be read otherwise."
    )
    return Problem("model.trust", message, "Where you trust its source, add model.trust=true.")
