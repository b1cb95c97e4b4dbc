"""The detection plugin: object detection with YOLO and FCOS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from core import LoadedModel, LoadRequest, ModelLoader, Problem, RunConfig, TaskType, hookimpl
from core.contracts import ADAPTERS, GRADIENTS, LAYERS
from core.tasks import BOXES, ObjectDetection
from plugins.detection.fcos.options import COCO, GROUPS, IMAGENET, LEAST_SIDE, FcosOptions
from plugins.detection.options import STRIDE, is_pickle
from plugins.detection.yolo.options import NARROWEST, YoloOptions, untrusted


@dataclass
class Ultralytics(YoloOptions, ModelLoader):
    """YOLO from Ultralytics: its networks, loss, augmentation and non-maximum suppression, in Graft's training loop.

    Ultralytics has the AGPL-3.0 license and is only installed with the extra `yolo`. Its trainer, downloads and
    telemetry never run. Images are resized to a long side of `image_size` pixels and centered in gray squares, as in
    Ultralytics with `rect=False`.
    """

    name: ClassVar[str] = "ultralytics"
    task_types: ClassVar[tuple[str, ...]] = (ObjectDetection.name,)
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    requires: ClassVar[Mapping[str, str]] = {"ultralytics": 'pip install "graft-tune[yolo]"'}
    capabilities: ClassVar[frozenset[str]] = frozenset({GRADIENTS, ADAPTERS, LAYERS})

    @property
    def from_scratch(self) -> bool:
        """Whether the weights are always random."""
        return self.init == "scratch"

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report options that contradict each other, and an untrusted pickle."""
        yield from _not_a_multiple("image_size", self.image_size, STRIDE)
        if self.init == "pretrained" and not self.checkpoint:
            yield Problem(
                "model.checkpoint",
                "is required with init=pretrained: Graft does not download Ultralytics' weights, which are pickles.",
                "Use model.checkpoint=yolo26n.pt model.trust=true with your own file, or model.init=auto.",
            )
        if self.checkpoint and self.init != "scratch" and is_pickle(self.checkpoint) and not self.trust:
            yield untrusted(self.checkpoint)
        least = NARROWEST.get(self.version, 0.0)
        if self.width is not None and self.width < least:
            message = f"{self.width:g} leaves too few channels for the attention of YOLO{self.version}."
            yield Problem("model.width", message, f"Use at least {least:g}.")

    def load(self, request: LoadRequest) -> LoadedModel:
        """Build the network with a head for the labels, and load weights if there are any.

        Raises:
            WeightsError: The weights cannot be loaded, are not trusted, or do not belong to a detector.
        """
        from plugins.detection.yolo.loading import load_yolo

        return load_yolo(self, request)


@dataclass
class Torchvision(FcosOptions, ModelLoader):
    """FCOS from torchvision (Tian et al. 2019, arXiv:1904.01355): a detector under a permissive license (BSD).

    A residual network, a feature pyramid, and heads that predict for every location the label and the distances to
    the sides of its box. Images are resized to a long side of `image_size` pixels and centered in gray squares.
    """

    name: ClassVar[str] = "torchvision"
    task_types: ClassVar[tuple[str, ...]] = (ObjectDetection.name,)
    targets: ClassVar[tuple[str, ...]] = (BOXES,)
    capabilities: ClassVar[frozenset[str]] = frozenset({GRADIENTS, ADAPTERS, LAYERS})

    @property
    def from_scratch(self) -> bool:
        """Whether the weights are always random."""
        return self.init == "scratch"

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report options that contradict each other, and weights that do not exist."""
        yield from _not_a_multiple("image_size", self.image_size, STRIDE)
        yield from _not_a_multiple("channels", self.channels or 0, GROUPS)
        if 0 < self.image_size < LEAST_SIDE:
            message = f"{self.image_size} pixels are too few for the coarsest level of FCOS."
            yield Problem("model.image_size", message, f"Use at least {LEAST_SIDE}; smaller images are enlarged.")
        if self.checkpoint == COCO and self.variant != "resnet50":
            message = f"torchvision has COCO weights for resnet50 only, but model.variant is {self.variant}."
            yield Problem("model.checkpoint", message, f"Use model.variant=resnet50 or model.checkpoint={IMAGENET}.")
        whole = self.checkpoint == COCO or (not self.checkpoint and self.variant == "resnet50")
        if whole and self.init == "pretrained":
            for name in ("channels", "convolutions"):
                if getattr(self, name) is not None:
                    message = "is fixed by the COCO weights."
                    yield Problem(f"model.{name}", message, f"Leave it out, or use model.checkpoint={IMAGENET}.")

    def load(self, request: LoadRequest) -> LoadedModel:
        """Build the network with a head for the labels, and load weights if they are available.

        Raises:
            WeightsError: The weights cannot be loaded, or belong to another architecture.
        """
        from plugins.detection.fcos.loading import load_fcos

        return load_fcos(self, request)


def _not_a_multiple(option: str, value: int, of: int) -> Iterable[Problem]:
    if value % of:
        near = max(of, round(value / of) * of)
        yield Problem(f"model.{option}", f"{value} is not a multiple of {of}.", f"Use {near}, for example.")


@hookimpl
def task_types() -> Sequence[type[TaskType]]:
    """Return the task type object-detection."""
    return [ObjectDetection]


@hookimpl
def model_loaders() -> Sequence[type[ModelLoader]]:
    """Return the detectors."""
    return [Ultralytics, Torchvision]
