"""What the detection plugin announces: finding objects in images, and detectors to do it with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from core.capabilities import ADAPTERS, GRADIENTS, LAYERS
from core.config import RunConfig
from core.contracts import LoadedModel, ModelLoader, Need
from core.errors import Problem
from core.hooks import hookimpl
from core.kinds import BOXES, Kind, ObjectDetection
from core.options import option

VERSIONS = ("26", "12", "11", "8")
SIZES = ("n", "s", "m", "l", "x")
STRIDE = 32
NARROWEST = {"26": 0.125, "12": 0.25, "11": 0.125}
"""The least width that the generations with attention can have."""
VARIANTS = ("resnet18", "resnet34", "resnet50")
COCO, IMAGENET = "coco", "imagenet"
"""Weights that torchvision publishes: of a whole detector, and of the residual network alone."""
GROUPS = 32
"""The heads' group norms have so many groups."""
LEAST_SIDE = 128
"""Pixels of FCOS's squares, at least: of smaller ones its coarsest levels would see a single place, and torch leaves
parts of the gradient of a convolution with stride 2 on a single place unwritten (in bf16 on a CPU)."""


@dataclass
class Ultralytics(ModelLoader):
    """YOLO by Ultralytics: its networks, loss, augmentation and non-maximum suppression, in Graft's training loop.

    Ultralytics is licensed under the AGPL-3.0 and is installed with the extra `yolo` only. Its trainer, downloads and
    telemetry never run. Images are scaled so that their long side is `image_size` pixels and centred in grey squares,
    as Ultralytics does with `rect=False`.
    """

    name: ClassVar[str] = "ultralytics"
    kinds: ClassVar[tuple[str, ...]] = (ObjectDetection.name,)
    requires: ClassVar[Mapping[str, str]] = {"ultralytics": 'pip install "graft-tune[yolo]"'}
    capabilities: ClassVar[frozenset[str]] = frozenset({GRADIENTS, ADAPTERS, LAYERS})

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
    least_score: float = option(0.001, "Objects with a lower score are not looked at.", low=0, high=1)
    nms_iou: float = option(
        0.7, "Of objects of one label that overlap by more than this, only the surest is kept.", above=0, high=1
    )
    most_objects: int = option(100, "Objects predicted in one image, at most: the surest.", low=1, high=1000)
    cache_mb: int = option(
        2048, "Decoded, resized images are kept where they fit in so many MiB; else they are decoded each time.", low=0
    )

    @property
    def from_scratch(self) -> bool:
        """Whether the weights are random whatever is found."""
        return self.init == "scratch"

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Options that contradict each other, and a pickle that is not trusted."""
        yield from _not_boxes(config)
        yield from _not_a_multiple("image_size", self.image_size, STRIDE)
        if self.init == "pretrained" and not self.checkpoint:
            yield Problem(
                "model.checkpoint",
                "must be given with init=pretrained: Graft downloads no weights of Ultralytics', which are pickles.",
                "model.checkpoint=yolo26n.pt model.trust=true, with a file that you have; or model.init=auto.",
            )
        if self.checkpoint and self.init != "scratch" and is_pickle(self.checkpoint) and not self.trust:
            yield untrusted(self.checkpoint)
        least = NARROWEST.get(self.version, 0.0)
        if self.width is not None and self.width < least:
            message = f"{self.width:g} leaves too few channels to the attention of YOLO{self.version}."
            yield Problem("model.width", message, f"At least {least:g}.")

    def load(self, need: Need) -> LoadedModel:
        """Build the network with a head for the labels, and read the weights where there are any.

        Raises:
            WeightsError: The weights cannot be had, are not trusted, or are not a detector's.
        """
        from plugins.detection.yolo_loading import load

        return load(self, need)


@dataclass
class Torchvision(ModelLoader):
    """FCOS by torchvision (Tian et al. 2019, arXiv:1904.01355): a detector under a permissive licence (BSD).

    A residual network, a feature pyramid, and heads that say of every place which object lies there and how far its
    sides are. Images are scaled so that their long side is `image_size` pixels and centred in grey squares.
    """

    name: ClassVar[str] = "torchvision"
    kinds: ClassVar[tuple[str, ...]] = (ObjectDetection.name,)
    capabilities: ClassVar[frozenset[str]] = frozenset({GRADIENTS, ADAPTERS, LAYERS})

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
    least_score: float = option(0.01, "Objects with a lower score are not looked at.", low=0, high=1)
    nms_iou: float = option(
        0.6, "Of objects of one label that overlap by more than this, only the surest is kept.", above=0, high=1
    )
    most_objects: int = option(100, "Objects predicted in one image, at most: the surest.", low=1, high=1000)
    cache_mb: int = option(
        2048, "Decoded, resized images are kept where they fit in so many MiB; else they are decoded each time.", low=0
    )

    @property
    def from_scratch(self) -> bool:
        """Whether the weights are random whatever is found."""
        return self.init == "scratch"

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Options that contradict each other, and weights that do not exist."""
        yield from _not_boxes(config)
        yield from _not_a_multiple("image_size", self.image_size, STRIDE)
        yield from _not_a_multiple("channels", self.channels or 0, GROUPS)
        if 0 < self.image_size < LEAST_SIDE:
            message = f"{self.image_size} pixels are too few for the coarsest level of FCOS."
            yield Problem("model.image_size", message, f"At least {LEAST_SIDE}; smaller images are enlarged.")
        if self.checkpoint == COCO and self.variant != "resnet50":
            message = f"torchvision has weights of COCO for resnet50 only, and model.variant is {self.variant}."
            yield Problem("model.checkpoint", message, f"model.variant=resnet50, or model.checkpoint={IMAGENET}.")
        whole = self.checkpoint == COCO or (not self.checkpoint and self.variant == "resnet50")
        if whole and self.init == "pretrained":
            for name in ("channels", "convolutions"):
                if getattr(self, name) is not None:
                    message = "is as the weights of COCO have it, and cannot be chosen."
                    yield Problem(f"model.{name}", message, f"Leave it out, or model.checkpoint={IMAGENET}.")

    def load(self, need: Need) -> LoadedModel:
        """Build the network with a head for the labels, and read the weights where they can be had.

        Raises:
            WeightsError: They cannot be had, or are of another architecture.
        """
        from plugins.detection.fcos_loading import load

        return load(self, need)


def _not_boxes(config: RunConfig) -> Iterable[Problem]:
    if config.task.target != BOXES:
        yield Problem("model", f"finds boxes, and the task's target is {config.task.target}.", "Use task.target=boxes.")


def _not_a_multiple(option: str, value: int, of: int) -> Iterable[Problem]:
    if value % of:
        near = max(of, round(value / of) * of)
        yield Problem(f"model.{option}", f"{value} is not a multiple of {of}.", f"Such as {near}.")


def is_pickle(checkpoint: str) -> bool:
    """Whether a checkpoint is one of Ultralytics' files."""
    return checkpoint.lower().endswith((".pt", ".pth"))


def untrusted(checkpoint: str) -> Problem:
    """Why a `.pt` file is not read."""
    message = (
        f"{checkpoint} is a pickle: reading it may run any code that its author put into it, "
        "and Ultralytics' files hold their whole network that way, so they cannot be read otherwise."
    )
    return Problem("model.trust", message, "Where you trust its source, add model.trust=true.")


@hookimpl
def kinds() -> Sequence[type[Kind]]:
    """Finding objects."""
    return [ObjectDetection]


@hookimpl
def model_loaders() -> Sequence[type[ModelLoader]]:
    """Detectors."""
    return [Ultralytics, Torchvision]
