"""The options of FCOS, and the names of its published weights."""

from __future__ import annotations

from dataclasses import dataclass

from core import option

VARIANTS = ("resnet18", "resnet34", "resnet50")
COCO, IMAGENET = "coco", "imagenet"
"""Names of weights that torchvision publishes: of the full detector, and of its residual network."""
GROUPS = 32
"""Number of groups in the heads' group norms."""
LEAST_SIDE = 128
"""Minimum side of FCOS's squares in pixels. In smaller ones the coarsest levels have a single location, for which torch
leaves parts of the gradient of a convolution with stride 2 unwritten (in bf16 on a CPU)."""


@dataclass
class FcosOptions:
    """The network, its weights, augmentation and decoding."""

    variant: str = option("resnet50", "The residual network of the pretrained weights.", choices=VARIANTS)
    checkpoint: str = option(
        "",
        "coco: torchvision's full detector (resnet50 only). imagenet: its residual network. Or a .pth file of "
        "either (only tensors are read), or the model/ folder of a run. Empty: coco for resnet50, else imagenet.",
        folder=True,
    )
    init: str = option(
        "auto",
        "auto: the checkpoint, or from scratch if it is not here and there is no network. pretrained: fail if it "
        "cannot be loaded. scratch: the architecture alone.",
        choices=("auto", "pretrained", "scratch"),
    )
    sha256: str = option("", "Required SHA-256 of the checkpoint's file. Empty: the hash in its name, if there is one.")
    scratch: str = option(
        "resnet18", "From scratch: the residual network to build. Empty: the variant.", choices=("", *VARIANTS)
    )
    channels: int | None = option(
        None,
        f"Channels of pyramid and heads, a multiple of {GROUPS} from {2 * GROUPS}. null: 256, or 96 from scratch.",
        low=2 * GROUPS,  # with one channel per group, a single image could not be normalized on the coarsest level
        high=512,
    )
    convolutions: int | None = option(
        None, "Hidden convolutions in each head. null: 4, or 2 from scratch.", low=1, high=8
    )
    image_size: int = option(
        0,
        "Long side of images in pixels after resizing, a multiple of 32 from 128. 0: chosen from the images, and "
        "reported.",
        low=0,
    )
    scratch_examples: int = option(
        29000, "From scratch: number of examples, repeats included, that epochs=null aims at (12 to 300 epochs).", low=1
    )
    scratch_learning_rate: float = option(1e-3, "From scratch: the learning rate if learning_rate=null.", above=0)
    augment: bool = option(True, "Augment training images. false: use them as they are.")
    scale: float = option(0.5, "Scale by up to this share, up or down.", low=0, high=0.95)
    translate: float = option(0.1, "Shift by up to this share of the side.", low=0, high=0.9)
    fliplr: float = option(0.5, "Share of images mirrored left to right. 0 for digits, text and hands.", low=0, high=1)
    shade: float = option(0.3, "Change brightness, contrast and saturation by up to this share.", low=0, high=1)
    score_threshold: float = option(0.01, "Ignore objects with a lower score.", low=0, high=1)
    nms_threshold: float = option(
        0.6,
        "Non-maximum suppression: of objects with one label that overlap more than this (IoU), keep only the most "
        "confident.",
        above=0,
        high=1,
    )
    max_detections: int = option(100, "Maximum number of objects per image: the most confident ones.", low=1, high=1000)
    cache_mb: int = option(
        2048, "Keep decoded, resized images if they fit in this many MiB. Otherwise decode them each time.", low=0
    )
