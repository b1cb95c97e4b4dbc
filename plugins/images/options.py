"""The options of timm's image classifiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.options import option

AUGMENTATIONS = ("auto", "none", "light", "strong")


@dataclass
class TimmOptions:
    """Where the weights come from, what is built from scratch, and how images are read and varied."""

    variant: str = option(
        "", "The model by timm's name, such as resnet50.a1_in1k; its weights are timm/NAME on the Hub."
    )
    checkpoint: str = option(
        "",
        "In place of variant: a Hub id (org/name), a local folder, or pkg:NAME; it says itself what it is.",
        folder=True,
    )
    init: str = option(
        "auto",
        "auto: pretrained weights, or a compact model from scratch where there is no network; pretrained: or fail; "
        "scratch: never touches the network.",
        choices=("auto", "pretrained", "scratch"),
    )
    sha256: str = option("", "What model.safetensors must hash to; empty for anything.")
    scratch: str = option("", "From scratch: the architecture that is built; empty builds the variant itself.")
    scratch_args: dict[str, Any] = option(
        None, "From scratch: arguments of that architecture, such as its width and depth.", factory=dict
    )
    scratch_steps: int = option(400, "From scratch: steps of 32 examples that epochs=null aims at.", low=1)
    scratch_learning_rate: float = option(1e-3, "From scratch: the rate that learning_rate=null takes.", above=0)
    image_size: int = option(
        0, "Height and width in pixels that the model reads; 0 goes by the model and the data, and says so.", low=0
    )
    dropout: float | None = option(None, "Dropout before the head; null takes the model's own.", low=0, high=0.9)
    drop_path: float | None = option(None, "Stochastic depth; null takes the model's own.", low=0, high=0.9)
    attention: str = option(
        "auto",
        "fused: torch's one kernel; plain: matrix products and a softmax, which are faster in bf16 on a CPU; auto "
        "chooses.",
        choices=("auto", "fused", "plain"),
    )
    augment: str = option(
        "auto",
        "How training images are varied: light shifts, turns, scales and shades them; strong goes further, mixes pairs "
        "and blanks parts. auto is light, and none where method=head computes features once.",
        choices=AUGMENTATIONS,
    )
    flip: bool = option(False, "Whether augmentation mirrors images left to right; not for digits, text or hands.")
    mixup: float | None = option(
        None, "Share of examples blended with another one (Zhang et al. 2018); null goes by augment.", low=0, high=1
    )
    cutmix: float | None = option(
        None,
        "Share of examples with a part of another one pasted in (Yun et al. 2019); null goes by augment.",
        low=0,
        high=1,
    )
    cache_mb: int = option(
        2048, "Decoded, resized images are kept where they fit in so many MiB; else they are decoded each time.", low=0
    )
