"""Augmentation: draw random numbers for each example from (seed, epoch, index), and apply them to a batch.

Drawing gives a few numbers per example (`Variation`). They are applied to whole batches on the training device. Stored
images are square, [S, S], for originals of any shape. The affine map restores the original aspect ratio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GRAY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luma (ITU-R BT.601)."""


@dataclass(frozen=True)
class Policy:
    """How strongly images are augmented.

    Attributes:
        scale: Minimum and maximum side of the crop, as a share of evaluation's crop.
        stretch: Maximum aspect ratio to which a square may be stretched.
        shift: Maximum shift, as a share of the side.
        turn: Maximum rotation, in degrees.
        shade: Maximum change of brightness, contrast and saturation, as a share.
        erase: Share of examples with a part erased (Zhong et al. 2017, arXiv:1708.04896).
        mixup: Share of examples blended with another one (Zhang et al. 2018, arXiv:1710.09412).
        cutmix: Share of examples with a part of another one pasted in (Yun et al. 2019, arXiv:1905.04899).
        flip: Whether half of the examples are mirrored.
    """

    scale: tuple[float, float] = (1.0, 1.0)
    stretch: float = 1.0
    shift: float = 0.0
    turn: float = 0.0
    shade: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    flip: bool = False


LIGHT = Policy(scale=(0.85, 1.1), stretch=1.1, shift=0.08, turn=10.0, shade=0.15)
STRONG = Policy(scale=(0.5, 1.1), stretch=1.33, shift=0.2, turn=15.0, shade=0.4, erase=0.25, mixup=0.25, cutmix=0.25)
POLICIES = {"none": Policy(), "light": LIGHT, "strong": STRONG}


class Variation(NamedTuple):
    """How one example is augmented.

    Attributes:
        affine: float32 [2, 3], maps coordinates of the model's input to those of the stored image, both -1 to 1.
        shade: float32 [3], factors of brightness, contrast and saturation.
        erase: float32 [4], the erased part: left, top, right, bottom, as shares of the side; all 0 for none.
    """

    affine: NDArray[np.float32]
    shade: NDArray[np.float32]
    erase: NDArray[np.float32]


class Mixing(NamedTuple):
    """How a second example is mixed in.

    Attributes:
        partner: The other example's index in the split.
        share: Weight of the first example in the target, 0 to 1.
        paste: float32 [4], the part taken from the partner; all 0 if the two are blended.
    """

    partner: int
    share: float
    paste: NDArray[np.float32]


NOTHING = np.zeros(4, dtype=np.float32)


def vary(policy: Policy, size: tuple[int, int], crop: float, rng: np.random.Generator) -> Variation:
    """Draw the augmentation of one example.

    Args:
        policy: How strongly to augment.
        size: Width and height of the original image.
        crop: Share of the short side that evaluation crops.
        rng: The example's generator.
    """
    u = rng.random(10)
    low, high = policy.scale
    area = low * low + (high * high - low * low) * u[0]
    side = crop * math.sqrt(area)
    stretch = policy.stretch ** (u[1] - 0.5)
    angle = math.radians(policy.turn) * (2 * u[2] - 1)
    shift = policy.shift * (2 * u[3:5] - 1) * 2 * crop
    mirror = -1.0 if policy.flip and u[5] < 0.5 else 1.0
    shade = (1 + policy.shade * (2 * u[6:9] - 1)).astype(np.float32)
    affine = _affine(size, side * stretch * mirror, side / stretch, angle, shift)
    return Variation(affine, shade, _part(0.02, 0.2, rng) if u[9] < policy.erase else NOTHING)


def evaluation_affine(size: tuple[int, int], crop: float) -> NDArray[np.float32]:
    """Return the affine map of the center crop of evaluation, float32 [2, 3]."""
    return _affine(size, crop, crop, 0.0, np.zeros(2))


def identity_variation(size: tuple[int, int], crop: float) -> Variation:
    """Return the identity augmentation, which shows a stored training image as in evaluation."""
    return Variation(evaluation_affine(size, crop), np.ones(3, dtype=np.float32), NOTHING)


def _affine(
    size: tuple[int, int], across: float, down: float, angle: float, shift: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the map from the model's input to the stored square. Lengths are shares of the original's short side."""
    width, height = size
    short = min(width, height)
    sin, cos = math.sin(angle), math.cos(angle)
    to_x, to_y = short / width, short / height
    rows = [
        [across * cos * to_x, -down * sin * to_x, shift[0] * to_x],
        [across * sin * to_y, down * cos * to_y, shift[1] * to_y],
    ]
    return np.asarray(rows, dtype=np.float32)


def mix(policy: Policy, index: int, n: int, rng: np.random.Generator) -> Mixing | None:
    """Draw how a second example is mixed in, or None.

    Args:
        policy: The shares of mixed examples.
        index: This example's index.
        n: Number of examples in the split; all others are equally likely.
        rng: The example's generator.
    """
    chance = float(rng.random())
    if n < 2 or chance >= policy.mixup + policy.cutmix:
        return None
    partner = (index + 1 + int(rng.integers(n - 1))) % n
    if chance < policy.mixup:
        return Mixing(partner, float(rng.beta(0.4, 0.4)), NOTHING)
    part = _part(0.1, 0.6, rng)
    left, top, right, bottom = (float(each) for each in part)
    return Mixing(partner, 1 - (right - left) * (bottom - top), part)


def _part(least: float, most: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw a box inside the image whose area is a share between `least` and `most`: float32 [4]."""
    u = rng.random(4)
    area, ratio = least + (most - least) * u[0], 2.0 ** (2 * u[1] - 1)
    width, height = min(1.0, math.sqrt(area * ratio)), min(1.0, math.sqrt(area / ratio))
    left, top = (1 - width) * u[2], (1 - height) * u[3]
    return np.asarray([left, top, left + width, top + height], dtype=np.float32)


# --- on a batch -----------------------------------------------------------------------------------------------------


def warp(images: Tensor, affine: Tensor, size: int) -> Tensor:
    """Resample stored images through affine maps. Outside the image, its border is repeated.

    Args:
        images: float32 [b, 3, S, S].
        affine: float32 [b, 2, 3].
        size: Height and width of the result.

    Returns:
        float32 [b, 3, size, size].
    """
    grid = functional.affine_grid(affine, [len(images), 3, size, size], align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def apply_shade(images: Tensor, factors: Tensor) -> Tensor:
    """Change brightness, contrast (around the mean) and saturation of images with values from 0 to 1.

    Args:
        images: float32 [b, 3, h, w].
        factors: float32 [b, 3].
    """
    brightness, contrast, saturation = factors.view(-1, 3, 1, 1, 1).unbind(dim=1)
    weights = torch.tensor(_GRAY, device=images.device).view(1, 3, 1, 1)
    gray = (images * weights).sum(dim=1, keepdim=True)
    mean = gray.mean(dim=(2, 3), keepdim=True)
    colored = torch.lerp(gray.expand_as(images), images, saturation.expand_as(images))
    return (torch.lerp(mean.expand_as(images), colored, contrast.expand_as(images)) * brightness).clamp_(0, 1)


def inside(boxes: Tensor, size: int) -> Tensor:
    """Return which pixels have their center in each box: bool [b, 1, size, size].

    Args:
        boxes: float32 [b, 4], left, top, right, bottom, as shares of the side.
        size: Height and width.
    """
    at = (torch.arange(size, device=boxes.device) + 0.5) / size
    left, top, right, bottom = boxes.view(-1, 4, 1).unbind(dim=1)
    columns, rows = (at >= left) & (at < right), (at >= top) & (at < bottom)
    return (rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1)


def blend(images: Tensor, partners: Tensor, share: Tensor, paste: Tensor) -> Tensor:
    """Blend images with their partners, or paste in a part of the partner.

    Args:
        images: float32 [b, 3, h, w].
        partners: float32 [b, 3, h, w].
        share: float32 [b], weight of the first image if the two are blended.
        paste: float32 [b, 4], the part to paste; all 0 if the two are blended.
    """
    pasted = (paste[:, 2] > paste[:, 0]).view(-1, 1, 1, 1)
    blended = torch.lerp(partners, images, share.view(-1, 1, 1, 1).expand_as(images))
    return torch.where(pasted, torch.where(inside(paste, images.shape[-1]), partners, images), blended)
