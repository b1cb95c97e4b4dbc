"""The options of FCOS, and the names of its published weights."""

from __future__ import annotations

from dataclasses import dataclass

from core.options import option

VARIANTS = ("resnet18", "resnet34", "resnet50")
COCO, IMAGENET = "coco", "imagenet"
"""Weights that torchvision publishes: of a whole detector, and of the residual network alone."""
GROUPS = 32
"""The heads' group norms have so many groups."""
LEAST_SIDE = 128
"""Pixels of FCOS's squares, at least: of smaller ones its coarsest levels would see a single place, and torch leaves
parts of the gradient of a convolution with stride 2 on a single place unwritten (in bf16 on a CPU)."""


@dataclass
class FcosOptions:
    """Where the weights come from, what is built from scratch, and how images are read, varied and searched."""

    variant: str = option("resnet50", "The residual network that pretrained weights are of.", choices=VARIANTS)
    checkpoint: str = option(
        "",
        "coco: torchvision's whole detector (resnet50 only); imagenet: its residual network; a .pth file of either "
        "(only tensors are read from it); the model/ folder of a run. Empty: coco for resnet50, imagenet for others.",
        folder=True,
    )
    init: str = option(
        "auto",
        "auto: the checkpoint, or from scratch where it is not here and there is no network; pretrained: the "
        "checkpoint, or fail; scratch: the architecture alone.",
        choices=("auto", "pretrained", "scratch"),
    )
    sha256: str = option("", "What the checkpoint's file must hash to; empty for what its name says.")
    scratch: str = option(
        "resnet18", "The residual network from scratch; empty takes the variant.", choices=("", *VARIANTS)
    )
    channels: int | None = option(
        None,
        f"Of pyramid and heads, a multiple of {GROUPS} from {2 * GROUPS}; null: 256, and from scratch 96.",
        low=2 * GROUPS,  # with one in a group, a single image has nothing to be normalised by on the coarsest level
        high=512,
    )
    convolutions: int | None = option(
        None, "Hidden convolutions of each head; null: 4, and from scratch 2.", low=1, high=8
    )
    image_size: int = option(
        0,
        "Long side in pixels that images are scaled to, a multiple of 32 from 128; 0 goes by the images, and says so.",
        low=0,
    )
    scratch_examples: int = option(
        29000, "From scratch: examples, repeats counted, that epochs=null aims at (12 to 300 epochs).", low=1
    )
    scratch_learning_rate: float = option(1e-3, "From scratch: the rate that learning_rate=null takes.", above=0)
    augment: bool = option(True, "Whether training images are varied; false shows them as they are.")
    scale: float = option(0.5, "Scaled by up to this share, up or down.", low=0, high=0.95)
    translate: float = option(0.1, "Moved by up to this share of the side.", low=0, high=0.9)
    fliplr: float = option(0.5, "Share mirrored left to right; 0 for digits, text and hands.", low=0, high=1)
    shade: float = option(0.3, "Brightness, contrast and saturation changed by up to this share.", low=0, high=1)
    score_threshold: float = option(0.01, "Objects with a lower score are not looked at.", low=0, high=1)
    nms_threshold: float = option(
        0.6, "Of objects of one label that overlap by more than this, only the surest is kept.", above=0, high=1
    )
    max_detections: int = option(100, "Objects predicted in one image, at most: the surest.", low=1, high=1000)
    cache_mb: int = option(
        2048, "Decoded, resized images are kept where they fit in so many MiB; else they are decoded each time.", low=0
    )
