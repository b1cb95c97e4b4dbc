"""A `resnet18` with one block per stage and an eighth of the channels after the stem.

Without it, tests of what FCOS does with its backbone pay for a forward pass of eleven million weights.
"""

from __future__ import annotations

from typing import Any

import pytest
from torchvision.models import resnet


class NarrowResNet(resnet.ResNet):
    """Has the names, stages and strides of `resnet18`."""

    def _make_layer(self, block: Any, planes: int, blocks: int, stride: int = 1, dilate: bool = False) -> Any:
        return super()._make_layer(block, planes // 8, blocks, stride, dilate)


def build_narrow_resnet(weights: Any = None, **options: Any) -> NarrowResNet:
    """Return one with random weights."""
    assert weights is None
    return NarrowResNet(resnet.BasicBlock, [1, 1, 1, 1], **options)


def replace_resnet18(patch: pytest.MonkeyPatch) -> None:
    """Let torchvision build the narrow network where `resnet18` is asked for."""
    patch.setattr(resnet, "resnet18", build_narrow_resnet)
