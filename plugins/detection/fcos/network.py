"""Build FCOS from torchvision (Tian et al. 2019, arXiv:1904.01355), and name its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

STRIDES = (8, 16, 32, 64, 128)
"""Stride of each pyramid level in pixels; the object sizes of a level are proportional to it."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of red, green and blue in ImageNet, from 0 to 1, as torchvision normalizes."""
HEADS = ("head.classification_head", "head.regression_head")
LOGITS = "head.classification_head.cls_logits."
"""Prefix of the names of the weights whose shape depends on the number of labels."""


@dataclass(frozen=True)
class FcosArchitecture:
    """Everything that the shapes of the weights depend on, except the number of labels.

    Attributes:
        variant: The residual network: `resnet18`, `resnet34` or `resnet50`.
        channels: Channels of the pyramid and the heads; a multiple of 32.
        convolutions: Number of convolutions in each head before its last one.
        frozen_norms: Whether the residual network's batch norms are constants, as in torchvision's pretrained
            detectors, because small batches would spoil the statistics.
    """

    variant: str
    channels: int
    convolutions: int
    frozen_norms: bool

    @property
    def name(self) -> str:
        """The name in torchvision's style, such as `fcos_resnet18_fpn`."""
        return f"fcos_{self.variant}_fpn"


FULL = FcosArchitecture("resnet50", 256, 4, True)
"""The architecture of torchvision's COCO weights."""


class Network(nn.Module):
    """The trainable part of FCOS: maps images to raw outputs per location, before boxes are decoded.

    Its weights have the same names as in `torchvision.models.detection.FCOS`.
    """

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.backbone: nn.Module = detector.backbone
        self.head: nn.Module = detector.head

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Map normalized images, float32 [b, 3, S, S], to three outputs for each of p locations.

        Returns:
            `cls_logits` [b, p, c], `bbox_regression` [b, p, 4] and `bbox_ctrness` [b, p, 1].
        """
        said: dict[str, Tensor] = self.head(list(self.backbone(images).values()))
        return said


def build(architecture: FcosArchitecture, labels: int, seed: int, **limits: Any) -> Any:
    """Return a `torchvision.models.detection.FCOS` with random weights from the seed.

    Args:
        architecture: The architecture.
        labels: Number of labels.
        seed: Seed of the weights.
        limits: Options of decoding, such as `score_thresh` and `nms_thresh`.
    """
    from torchvision.models import detection, resnet
    from torchvision.models.detection.backbone_utils import BackboneWithFPN
    from torchvision.ops import FrozenBatchNorm2d
    from torchvision.ops.feature_pyramid_network import LastLevelP6P7

    norm = FrozenBatchNorm2d if architecture.frozen_norms else nn.BatchNorm2d
    width = architecture.channels
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = getattr(resnet, architecture.variant)(weights=None, norm_layer=norm)
        widths = [body.inplanes // 4, body.inplanes // 2, body.inplanes]
        levels = {"layer2": "0", "layer3": "1", "layer4": "2"}
        backbone = BackboneWithFPN(body, levels, widths, width, LastLevelP6P7(width, width))
        head = detection.fcos.FCOSHead(width, 1, labels, architecture.convolutions)
        return detection.FCOS(backbone, labels, head=head, **limits)


def places(detector: Any, side: int, device: str) -> list[Tensor]:
    """Return the locations of predictions as squares, float32 [p, 4], level by level.

    Args:
        detector: The detector that generates them.
        side: Side of the images, in pixels; a multiple of 32.
        device: The device of the result.
    """
    from torchvision.models.detection.image_list import ImageList

    grids, grid = [], side // STRIDES[0]
    for _ in STRIDES:
        grids.append(torch.empty((1, 1, grid, grid), device=device))
        grid = -(-grid // 2)
    blank = torch.empty((1, 1, side, side), device=device)
    (anchors,) = detector.anchor_generator(ImageList(blank, [(side, side)]), grids)
    return list(anchors.split([each.shape[2] * each.shape[3] for each in grids]))


def layers_of(network: nn.Module) -> tuple[tuple[str, ...], ...]:
    """Return parameter names by depth: stem, residual stages, pyramid, heads."""
    stages = ("backbone.body.layer1.", "backbone.body.layer2.", "backbone.body.layer3.", "backbone.body.layer4.")
    names = [name for name, _ in network.named_parameters()]
    deep = [tuple(name for name in names if name.startswith(start)) for start in (*stages, "backbone.fpn.", "head.")]
    stem = tuple(name for name in names if not name.startswith((*stages, "backbone.fpn.", "head.")))
    return (stem, *deep)


def adapter_targets_of(network: nn.Module) -> tuple[str, ...]:
    """Return full names of the convolutions of backbone and pyramid, except the first."""
    return tuple(
        name
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d) and name.startswith("backbone.") and name != "backbone.body.conv1"
    )
