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
from plugins.detection.fcos_options import COCO, GROUPS, IMAGENET, LEAST_SIDE, FcosOptions
from plugins.detection.options import STRIDE, is_pickle
from plugins.detection.yolo_options import NARROWEST, YoloOptions, untrusted


@dataclass
class Ultralytics(YoloOptions, ModelLoader):
    """YOLO by Ultralytics: its networks, loss, augmentation and non-maximum suppression, in Graft's training loop.

    Ultralytics is licensed under the AGPL-3.0 and is installed with the extra `yolo` only. Its trainer, downloads and
    telemetry never run. Images are scaled so that their long side is `image_size` pixels and centred in grey squares,
    as Ultralytics does with `rect=False`.
    """

    name: ClassVar[str] = "ultralytics"
    kinds: ClassVar[tuple[str, ...]] = (ObjectDetection.name,)
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    requires: ClassVar[Mapping[str, str]] = {"ultralytics": 'pip install "graft-tune[yolo]"'}
    capabilities: ClassVar[frozenset[str]] = frozenset({GRADIENTS, ADAPTERS, LAYERS})

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Options that contradict each other, and a pickle that is not trusted."""
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
class Torchvision(FcosOptions, ModelLoader):
    """FCOS by torchvision (Tian et al. 2019, arXiv:1904.01355): a detector under a permissive licence (BSD).

    A residual network, a feature pyramid, and heads that say of every place which object lies there and how far its
    sides are. Images are scaled so that their long side is `image_size` pixels and centred in grey squares.
    """

    name: ClassVar[str] = "torchvision"
    kinds: ClassVar[tuple[str, ...]] = (ObjectDetection.name,)
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    capabilities: ClassVar[frozenset[str]] = frozenset({GRADIENTS, ADAPTERS, LAYERS})

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Options that contradict each other, and weights that do not exist."""
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


def _not_a_multiple(option: str, value: int, of: int) -> Iterable[Problem]:
    if value % of:
        near = max(of, round(value / of) * of)
        yield Problem(f"model.{option}", f"{value} is not a multiple of {of}.", f"Such as {near}.")


@hookimpl
def kinds() -> Sequence[type[Kind]]:
    """Finding objects."""
    return [ObjectDetection]


@hookimpl
def model_loaders() -> Sequence[type[ModelLoader]]:
    """Detectors."""
    return [Ultralytics, Torchvision]
