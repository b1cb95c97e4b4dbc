"""The images plugin: image classification with timm's models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core import LoadedModel, LoadRequest, ModelLoader, Problem, RunConfig, TaskType, hookimpl
from core.contracts import ADAPTERS, CHECKPOINTING, FEATURES, GRADIENTS, LAYERS, LINEAR
from core.tasks import ImageClassification
from plugins.images.options import TimmOptions

if TYPE_CHECKING:
    from core.tasks import Predictions


@dataclass
class Timm(TimmOptions, ModelLoader):
    """An image classifier from timm: ResNet, ViT, ConvNeXt, EfficientNet, MobileNet and a thousand more."""

    name: ClassVar[str] = "timm"
    task_types: ClassVar[tuple[str, ...]] = ("image-classification",)
    capabilities: ClassVar[frozenset[str]] = frozenset({GRADIENTS, ADAPTERS, LAYERS, FEATURES, CHECKPOINTING})
    partly: ClassVar[Mapping[str, str]] = {
        LINEAR: "transformers and other networks with linear layers; purely convolutional ones are refused when loaded"
    }

    @property
    def from_scratch(self) -> bool:
        """Whether the weights are always random."""
        return self.init == "scratch"

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report options that are missing or contradict each other."""
        if not (self.checkpoint or self.variant or self.scratch):
            yield Problem(
                "model.variant",
                "is empty, so there is no model to build.",
                "Set model.variant=resnet50.a1_in1k or model.checkpoint=ORG/NAME, or use a preset (model=resnet).",
            )
        if self.init == "scratch" and not (self.variant or self.scratch):
            yield Problem("model.scratch", "is required with init=scratch.", "Use model.scratch=resnet18, for example.")
        shares = (self.mixup or 0) + (self.cutmix or 0)
        if shares > 1:
            yield Problem("model.cutmix", f"mixup and cutmix sum to {shares:g}.", "Their sum must be at most 1.")
        if self.augment == "none" and shares:
            yield Problem(
                "model.augment", "is none, but mixup or cutmix is set.", "Set model.augment=light, or set neither."
            )

    def load(self, request: LoadRequest) -> LoadedModel:
        """Find the weights, build the model with a new head for the task, and use its preprocessing.

        Raises:
            WeightsError: The weights cannot be loaded, or timm has no such model.
            ConfigError: The model cannot read images of `image_size`.
        """
        from plugins.images.loading import load_image_model

        return load_image_model(self, request)

    def baselines(self, request: LoadRequest, examples: Sequence[Any]) -> dict[str, Predictions]:
        """Return the predictions of a linear model on the pixels of small copies; none for other layouts."""
        from plugins.images.baselines import LAYOUTS, pixels_linear

        if request.output.layout not in LAYOUTS:
            return {}
        return {"pixels_linear": pixels_linear(request, examples)}


@hookimpl
def task_types() -> Sequence[type[TaskType]]:
    """Return the task type image-classification."""
    return [ImageClassification]


@hookimpl
def model_loaders() -> Sequence[type[ModelLoader]]:
    """Return timm's models."""
    return [Timm]
