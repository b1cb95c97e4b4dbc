"""The options of YOLO."""

from __future__ import annotations

from dataclasses import dataclass

from core import Problem, option

VERSIONS = ("26", "12", "11", "8")
SIZES = ("n", "s", "m", "l", "x")
NARROWEST = {"26": 0.125, "12": 0.25, "11": 0.125}
"""Minimum width of the generations with attention."""


@dataclass
class YoloOptions:
    """The network, its weights, its loss, augmentation and decoding."""

    version: str = option("26", "The generation of YOLO, unless the checkpoint states it.", choices=VERSIONS)
    size: str = option("n", "From nano to extra large: n, s, m, l, x, unless the checkpoint states it.", choices=SIZES)
    depth: float | None = option(
        None, "Number of layers as a share of the full design. null: as in size.", above=0, high=2
    )
    width: float | None = option(
        None, "Number of channels as a share of the full design. null: as in size.", low=0.0625, high=2
    )
    checkpoint: str = option(
        "",
        "Weights to start from: a .pt file from Ultralytics (with trust=true), or the model/ folder of a run.",
        folder=True,
    )
    trust: bool = option(False, "Allow unpickling a .pt file. Loading it can run any code that its author put into it.")
    init: str = option(
        "auto",
        "auto: the checkpoint if one is given, else from scratch. pretrained: fail without a checkpoint. scratch: "
        "the architecture alone. Nothing is ever downloaded.",
        choices=("auto", "pretrained", "scratch"),
    )
    sha256: str = option("", "Required SHA-256 of the checkpoint's file. Empty: not checked.")
    image_size: int = option(
        0,
        "Long side of images in pixels after resizing, a multiple of 32. 0: chosen from the images, and reported.",
        low=0,
    )
    one_to_one: bool = option(
        False,
        "Train a second head that finds each object once (as YOLO26 does) and predict with it, without NMS.",
    )
    scratch_examples: int = option(
        29000, "From scratch: number of examples, repeats included, that epochs=null aims at (12 to 300 epochs).", low=1
    )
    scratch_learning_rate: float = option(1e-3, "From scratch: the learning rate if learning_rate=null.", above=0)
    box: float = option(7.5, "Loss weight of box overlap.", low=0)
    cls: float = option(0.5, "Loss weight of labels.", low=0)
    dfl: float = option(1.5, "Loss weight of the distances to a box's sides.", low=0)
    augment: bool = option(True, "Augment training images. false: use them as they are.")
    mosaic: float = option(1.0, "Share of training images combined with three others.", low=0, high=1)
    close_mosaic: int = option(
        10, "Turn off mosaic, mixup and cutmix for this many final epochs, or for the last third if that is shorter. "
        "0: never.",
        low=0,
    )  # fmt: skip
    mixup: float = option(0.0, "Share of images blended with another one (Zhang et al. 2018).", low=0, high=1)
    cutmix: float = option(
        0.0, "Share of images with a part of another one pasted in (Yun et al. 2019).", low=0, high=1
    )
    degrees: float = option(0.0, "Rotate by up to this many degrees.", low=0, high=180)
    translate: float = option(0.1, "Shift by up to this share of the side.", low=0, high=0.9)
    scale: float = option(0.5, "Scale by up to this share, up or down.", low=0, high=0.95)
    shear: float = option(0.0, "Shear by up to this many degrees.", low=0, high=60)
    perspective: float = option(0.0, "Strength of perspective distortion; 0.001 is strong.", low=0, high=0.001)
    flipud: float = option(0.0, "Share of images turned upside down.", low=0, high=1)
    fliplr: float = option(0.5, "Share of images mirrored left to right. 0 for digits, text and hands.", low=0, high=1)
    hsv_h: float = option(0.015, "Change hue by up to this share of the color circle.", low=0, high=1)
    hsv_s: float = option(0.7, "Change saturation by up to this share.", low=0, high=1)
    hsv_v: float = option(0.4, "Change brightness by up to this share.", low=0, high=1)
    score_threshold: float = option(0.001, "Ignore objects with a lower score.", low=0, high=1)
    nms_threshold: float = option(
        0.7,
        "Non-maximum suppression: of objects with one label that overlap more than this (IoU), keep only the most "
        "confident.",
        above=0,
        high=1,
    )
    max_detections: int = option(100, "Maximum number of objects per image: the most confident ones.", low=1, high=1000)
    cache_mb: int = option(
        2048, "Keep decoded, resized images if they fit in this many MiB. Otherwise decode them each time.", low=0
    )


def untrusted(checkpoint: str) -> Problem:
    """Return the problem that a `.pt` file is not trusted."""
    message = (
        f"{checkpoint} is a pickle: reading it may run any code that its author put into it, "
        "and Ultralytics' files store the whole network that way, so there is no safe way to read them."
    )
    return Problem("model.trust", message, "If you trust its source, add model.trust=true.")
