"""Augment single training scenes (scale, shift, mirror, shade) with Pillow and NumPy alone.

Random numbers are a function of (seed, epoch, index), as `core.PreparedDataset` requires.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from plugins.detection.dataset import Scenes
from plugins.detection.letterbox import GRAY, Letterboxed, View, as_shares

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SEEN = 0.1
"""Objects with a smaller share of their area inside the image are dropped."""
_GRAY = np.asarray((0.299, 0.587, 0.114), dtype=np.float32)
"""Weights of red, green and blue in luma (ITU-R BT.601)."""


@dataclass(frozen=True)
class Strength:
    """How strongly scenes are augmented.

    Attributes:
        scale: Maximum change of scale, up or down, as a share.
        translate: Maximum shift, as a share of the side.
        fliplr: Share of scenes mirrored left to right.
        shade: Maximum change of brightness, contrast and saturation, as a share.
    """

    scale: float
    translate: float
    fliplr: float
    shade: float


@dataclass
class JitteredScenes:
    """A training split with augmented scenes; a `core.PreparedDataset`.

    Attributes:
        scenes: The split.
        strength: How strongly scenes are augmented.
        ahead: Whether worker processes pay off even without decoding, because a GPU computes meanwhile.
    """

    scenes: Scenes
    strength: Strength
    ahead: bool = False

    def __post_init__(self) -> None:
        self.lengths = self.scenes.lengths
        self.needs_workers = self.ahead or self.scenes.needs_workers

    def __len__(self) -> int:
        return len(self.scenes)

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> View:
        """Return one scene as augmented in this epoch, or unchanged without a generator."""
        if rng is None:
            return Letterboxed(self.scenes).fetch(index, epoch, None)
        scene, side, drawn = self.scenes.scene(index), self.scenes.transform.side, rng.random(7)
        height, width = scene.pixels.shape[:2]
        factor = 1 + self.strength.scale * (2 * drawn[0] - 1)
        shift = self.strength.translate * side * (2 * drawn[1:3] - 1)
        mirrored = drawn[3] < self.strength.fliplr
        scales = np.asarray([-factor if mirrored else factor, factor])
        offsets = side / 2 + shift - scales * np.asarray([width, height]) / 2
        pixels = apply_shade(
            place_scene(scene.pixels, scales, offsets, side), 1 + self.strength.shade * (2 * drawn[4:7] - 1)
        )
        corners, labels = move_boxes(scene.corners, scene.labels, scales, offsets, side)
        return View(pixels, scene.size, *as_shares(corners, labels, side), epoch)


def place_scene(
    pixels: NDArray[np.uint8], scales: NDArray[np.float64], offsets: NDArray[np.float64], side: int
) -> NDArray[np.uint8]:
    """Scale and shift a scene on a gray square: (x, y) moves to scales · (x, y) + offsets.

    Args:
        pixels: uint8 [h, w, 3].
        scales: float64 [2], factors of x and y; negative factors mirror.
        offsets: float64 [2], in pixels of the square.
        side: Side of the square, in pixels.

    Returns:
        uint8 [side, side, 3].
    """
    from PIL import Image

    back = [1 / scales[0], 0, -offsets[0] / scales[0], 0, 1 / scales[1], -offsets[1] / scales[1]]
    image = Image.fromarray(pixels).transform(
        (side, side), Image.Transform.AFFINE, back, Image.Resampling.BILINEAR, fillcolor=(GRAY, GRAY, GRAY)
    )
    return np.asarray(image, dtype=np.uint8)


def move_boxes(
    corners: NDArray[np.float32],
    labels: NDArray[np.int64],
    scales: NDArray[np.float64],
    offsets: NDArray[np.float64],
    side: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the boxes as `place_scene` moves them, float32 [k, 4], and their labels, without boxes outside."""
    ends = np.stack([corners[:, :2] * scales + offsets, corners[:, 2:] * scales + offsets])
    whole = np.concatenate([ends.min(axis=0), ends.max(axis=0)], axis=1)
    seen = np.clip(whole, 0, side)
    kept = _areas(seen) > LEAST_SEEN * _areas(whole)
    return seen[kept].astype(np.float32), labels[kept]


def _areas(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    return found


def apply_shade(pixels: NDArray[np.uint8], factors: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Change brightness, contrast (around the mean) and saturation by three factors; 1 changes nothing."""
    if np.all(factors == 1):
        return pixels
    brightness, contrast, saturation = (np.float32(factor) for factor in factors)
    values = pixels.astype(np.float32)
    gray = (values @ _GRAY)[..., None]
    mean = np.float32(gray.mean())
    colored = gray + saturation * (values - gray)
    changed: NDArray[np.floating] = (mean + contrast * (colored - mean)) * brightness
    found: NDArray[np.uint8] = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    return found
