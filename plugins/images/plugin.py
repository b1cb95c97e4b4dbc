"""What the images plugin announces: image classification, and timm's models to do it with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.capabilities import ADAPTERS, CHECKPOINTING, FEATURES, GRADIENTS, LAYERS, LINEAR
from core.config import RunConfig
from core.contracts import LoadedModel, ModelLoader, Need
from core.errors import Problem
from core.hooks import hookimpl
from core.kinds import ImageClassification, Kind
from core.options import option

if TYPE_CHECKING:
    from core.kinds import Predictions

AUGMENTATIONS = ("auto", "none", "light", "strong")


@dataclass
class Timm(ModelLoader):
    """An image classifier of timm: ResNet, ViT, ConvNeXt, EfficientNet, MobileNet and a thousand more."""

    name: ClassVar[str] = "timm"
    kinds: ClassVar[tuple[str, ...]] = ("image-classification",)
    capabilities: ClassVar[frozenset[str]] = frozenset({GRADIENTS, ADAPTERS, LAYERS, FEATURES, CHECKPOINTING})
    partly: ClassVar[Mapping[str, str]] = {
        LINEAR: "transformers and other networks with linear layers; purely convolutional ones are refused when loaded"
    }

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

    @property
    def from_scratch(self) -> bool:
        """Whether the weights are random whatever is found."""
        return self.init == "scratch"

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Options that are missing or contradict each other."""
        if not (self.checkpoint or self.variant or self.scratch):
            yield Problem(
                "model.variant",
                "is empty, so it is not known what to build.",
                "Give model.variant=resnet50.a1_in1k or model.checkpoint=ORG/NAME, or take a preset (model=resnet).",
            )
        if self.init == "scratch" and not (self.variant or self.scratch):
            yield Problem("model.scratch", "must be given with init=scratch.", "Such as model.scratch=resnet18.")
        shares = (self.mixup or 0) + (self.cutmix or 0)
        if shares > 1:
            yield Problem("model.cutmix", f"mixup and cutmix are {shares:g} together.", "Make them at most 1 together.")
        if self.augment == "none" and shares:
            yield Problem(
                "model.augment", "is none, and mixup or cutmix is given.", "Set model.augment=light, or neither."
            )

    def load(self, need: Need) -> LoadedModel:
        """Find the weights, build the model with a fresh head for the task, and read images as it expects.

        Raises:
            WeightsError: The weights cannot be had, or timm has no such model.
            ConfigError: The model cannot read images of `image_size`.
        """
        from plugins.images.loading import load

        return load(self, need)

    def baselines(self, need: Need, examples: Sequence[Any]) -> dict[str, Predictions]:
        """A linear model on the pixels of small grey copies, fitted to the training split."""
        from plugins.images.baselines import pixels_linear

        return {"pixels_linear": pixels_linear(need, examples)}


@hookimpl
def kinds() -> Sequence[type[Kind]]:
    """Image classification: one label, or several."""
    return [ImageClassification]


@hookimpl
def model_loaders() -> Sequence[type[ModelLoader]]:
    """timm's models."""
    return [Timm]
