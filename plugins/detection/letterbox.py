"""The detector's input: scenes centered in gray squares, with boxes as shares of the side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from plugins.detection.dataset import Scenes

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRAY = 114
"""Value of the padding pixels, as in Ultralytics."""


class View(NamedTuple):
    """One example, ready to be stacked.

    Attributes:
        pixels: uint8 [S, S, 3], RGB.
        size: Width and height of the original image.
        boxes: float32 [k, 4]: center, width and height as shares of S.
        labels: int64 [k].
        epoch: The epoch of this view.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    epoch: int = 0


@dataclass
class Schedule:
    """The schedule of mosaics during training.

    Attributes:
        epochs: Number of epochs in the run; 0 if unknown.
        closing: Number of final epochs without mosaics; at most a third of all epochs.
    """

    epochs: float = 0.0
    closing: int = 0

    def is_closed(self, epoch: int) -> bool:
        """Return whether mosaics are off in this epoch."""
        return bool(self.epochs) and epoch >= self.epochs - min(float(self.closing), self.epochs / 3)

    def share(self, epoch: int) -> float:
        """Return the progress of training at this epoch, from 0 to 1."""
        return min(1.0, epoch / max(self.epochs - 1, 1)) if self.epochs else 0.0


@dataclass
class Letterboxed:
    """A split without augmentation: scenes centered in gray squares; a `core.PreparedDataset`."""

    scenes: Scenes

    def __post_init__(self) -> None:
        self.lengths = self.scenes.lengths
        self.needs_workers = self.scenes.needs_workers

    def __len__(self) -> int:
        return len(self.scenes)

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> View:
        """Return one scene, without randomness."""
        scene, side = self.scenes.scene(index), self.scenes.transform.side
        height, width = scene.pixels.shape[:2]
        left, top = margins(width, height, side)
        pixels = np.full((side, side, 3), GRAY, dtype=np.uint8)
        pixels[top : top + height, left : left + width] = scene.pixels
        corners = scene.corners + np.asarray([left, top, left, top], dtype=np.float32)
        return View(pixels, scene.size, *as_shares(corners, scene.labels, side), epoch)


def margins(width: int, height: int, side: int) -> tuple[int, int]:
    """Return the pixels left of and above a scene in its square, rounded as in Ultralytics' letterbox."""
    return round((side - width) / 2 - 0.1), round((side - height) / 2 - 0.1)


def corners_in(view: View) -> NDArray[np.float32]:
    """Return the boxes of a view as corners, float32 [k, 4], in pixels of the square."""
    centers, halves = view.boxes[:, :2], view.boxes[:, 2:] / 2
    return np.concatenate([centers - halves, centers + halves], axis=1) * np.float32(len(view.pixels))


def as_shares(
    corners: NDArray[np.float32], labels: NDArray[np.int64], side: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return center, width and height as shares of the side, float32 [k, 4], without empty boxes."""
    inside = np.clip(corners.astype(np.float32), 0, side)
    extent = inside[:, 2:] - inside[:, :2]
    kept = (extent > 0).all(axis=1)
    centers = (inside[:, :2] + inside[:, 2:]) / 2
    return (np.concatenate([centers, extent], axis=1) / side)[kept].astype(np.float32), labels[kept]
