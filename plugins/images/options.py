"""The options of timm's image classifiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core import option

AUGMENTATIONS = ("auto", "none", "light", "strong")


@dataclass
class TimmOptions:
    """Options about base weights, the model built from scratch, and reading and augmenting images."""

    variant: str = option(
        "", "The model's name in timm, such as resnet50.a1_in1k. Its weights are timm/NAME on the Hub."
    )
    checkpoint: str = option(
        "",
        "Instead of variant: a Hub id (org/name), a local folder, or pkg:NAME. Its configuration names the "
        "architecture.",
        folder=True,
    )
    init: str = option(
        "auto",
        "auto: pretrained weights, or a compact model from scratch if there is no network. pretrained: fail if "
        "they cannot be loaded. scratch: never use the network.",
        choices=("auto", "pretrained", "scratch"),
    )
    sha256: str = option("", "Required SHA-256 of model.safetensors. Empty: not checked.")
    scratch: str = option("", "From scratch: the architecture to build. Empty: the variant itself.")
    scratch_args: dict[str, Any] = option(
        None, "From scratch: arguments of that architecture, such as its width and depth.", factory=dict
    )
    scratch_steps: int = option(400, "From scratch: number of steps of 32 examples that epochs=null aims at.", low=1)
    scratch_learning_rate: float = option(1e-3, "From scratch: the learning rate if learning_rate=null.", above=0)
    image_size: int = option(
        0, "Height and width of the input in pixels. 0: chosen from the model and the data, and reported.", low=0
    )
    dropout: float | None = option(None, "Dropout before the head. null: the model's own.", low=0, high=0.9)
    drop_path: float | None = option(None, "Stochastic depth. null: the model's own.", low=0, high=0.9)
    attention: str = option(
        "auto",
        "fused: torch's fused kernel. plain: matrix products and a softmax, faster in bf16 on a CPU. auto: "
        "whichever is faster.",
        choices=("auto", "fused", "plain"),
    )
    augment: str = option(
        "auto",
        "Augmentation of training images. light: shift, rotate, scale and shade. strong: more of it, plus mixed "
        "pairs and erased parts. auto: light, but none if method=head computes features once.",
        choices=AUGMENTATIONS,
    )
    flip: bool = option(False, "Mirror training images left to right. Not for digits, text or hands.")
    mixup: float | None = option(
        None, "Share of examples blended with another one (Zhang et al. 2018). null: set by augment.", low=0, high=1
    )
    cutmix: float | None = option(
        None,
        "Share of examples with a part of another one pasted in (Yun et al. 2019). null: set by augment.",
        low=0,
        high=1,
    )
    cache_mb: int = option(
        2048, "Keep decoded, resized images if they fit in this many MiB. Otherwise decode them each time.", low=0
    )
