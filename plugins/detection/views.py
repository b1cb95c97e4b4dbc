"""What YOLO is shown: training scenes varied by Ultralytics' own transforms, and letterboxed ones as they are.

Each view of a training scene is a function of (seed, epoch, index): the other scenes of a mosaic are drawn from the
whole split, and the generators that the transforms draw from are seeded for the length of one view and then put back.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from plugins.detection.library import library, one_thread
from plugins.detection.scenes import Scenes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from plugins.detection.plugin import Ultralytics

GREY = 114
"""The value of pixels around an image, as Ultralytics pads."""


class View(NamedTuple):
    """One example, ready to be stacked.

    Attributes:
        pixels: uint8 [S, S, 3], RGB.
        size: Width and height of the image as it is stored by its owner.
        boxes: float32 [k, 4]: centre, width and height as shares of S.
        labels: int64 [k].
        epoch: The epoch it is for.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    epoch: int = 0


@dataclass
class Schedule:
    """What changes in the course of training, and when.

    Attributes:
        epochs: Epochs in the whole run; 0 where it is not known.
        closing: For so many epochs at the end there are no mosaics, or for a third of them if that is less.
    """

    epochs: float = 0.0
    closing: int = 0

    def is_closed(self, epoch: int) -> bool:
        """Whether mosaics are over in this epoch."""
        return bool(self.epochs) and epoch >= self.epochs - min(float(self.closing), self.epochs / 3)

    def share(self, epoch: int) -> float:
        """How much of the training is done at this epoch, from 0 to 1."""
        return min(1.0, epoch / max(self.epochs - 1, 1)) if self.epochs else 0.0


@dataclass
class Letterboxed:
    """A split as it is: scenes in the middle of grey squares; a `core.contracts.Prepared`."""

    scenes: Scenes

    def __post_init__(self) -> None:
        self.lengths = self.scenes.lengths
        self.costly = self.scenes.costly

    def __len__(self) -> int:
        return len(self.scenes)

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> View:
        """One scene; nothing is drawn."""
        scene, side = self.scenes.scene(index), self.scenes.look.side
        height, width = scene.pixels.shape[:2]
        left, top = margins(width, height, side)
        pixels = np.full((side, side, 3), GREY, dtype=np.uint8)
        pixels[top : top + height, left : left + width] = scene.pixels
        corners = scene.corners + np.asarray([left, top, left, top], dtype=np.float32)
        return View(pixels, scene.size, *_as_shares(corners, scene.labels, side), epoch)


def margins(width: int, height: int, side: int) -> tuple[int, int]:
    """Pixels to the left of and above a scene in its square, rounded as Ultralytics' letterbox rounds."""
    return round((side - width) / 2 - 0.1), round((side - height) / 2 - 0.1)


@dataclass
class Varied:
    """A training split as Ultralytics varies it; a `core.contracts.Prepared`.

    Attributes:
        scenes: The split.
        options: Shares and strengths of the transforms.
        schedule: Closes mosaics near the end.
        ahead: Whether worker processes are worth while even if nothing is decoded (a GPU computes meanwhile).
    """

    scenes: Scenes
    options: Ultralytics
    schedule: Schedule
    ahead: bool = False
    _chains: dict[bool, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.lengths = self.scenes.lengths
        self.costly = self.ahead or self.scenes.costly

    def __len__(self) -> int:
        return len(self.scenes)

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> View:
        """One scene as this epoch shows it, most often a mosaic with three others; without a generator, as it is."""
        if rng is None:
            return Letterboxed(self.scenes).fetch(index, epoch, None)
        closed = self.schedule.is_closed(epoch)
        with _seeded(rng), one_thread():
            shown = self._chain(closed)(self.get_image_and_label(index))
        boxes = shown["instances"]
        boxes.convert_bbox(format="xyxy")
        labels = shown["cls"].reshape(-1).astype(np.int64)
        size = self.scenes.scene(index).size if self.scenes.costly else self._size(index)
        pixels = np.ascontiguousarray(shown["img"][..., ::-1])
        return View(pixels, size, *_as_shares(boxes.bboxes, labels, self.scenes.look.side), epoch)

    def _size(self, index: int) -> tuple[int, int]:
        assert self.scenes.sizes is not None
        return int(self.scenes.sizes[index, 0]), int(self.scenes.sizes[index, 1])

    def _chain(self, closed: bool) -> Any:
        if closed not in self._chains:
            self._chains[closed] = _transforms(self, closed)
        return self._chains[closed]

    # --- what the transforms take for a dataset ---

    cache = "ram"
    """Tells the mosaic to draw from the whole split, not from what this process happened to read last."""

    def get_image_and_label(self, index: int) -> dict[str, Any]:
        """One scene as Ultralytics' transforms pass it on."""
        scene = self.scenes.scene(index)
        shape = scene.pixels.shape[:2]
        instances = library().instance.Instances(
            scene.corners, np.zeros((0, 1000, 2), dtype=np.float32), bbox_format="xyxy", normalized=False
        )
        labels = scene.labels.astype(np.float32).reshape(-1, 1)
        known = {"im_file": "", "ori_shape": shape, "resized_shape": shape}
        return known | {"img": scene.pixels, "cls": labels, "instances": instances}


def _transforms(dataset: Varied, closed: bool) -> Any:
    """Ultralytics' chain for detection (`v8_transforms`) without what needs segments or another package."""
    options, side, augment = dataset.options, dataset.scenes.look.side, library().augment
    affine = augment.RandomPerspective(
        options.degrees, options.translate, options.scale, options.shear, options.perspective, size=(side, side)
    )
    mosaic = augment.Mosaic(dataset, imgsz=side, p=0.0 if closed else options.mosaic)
    placed = augment.Compose([mosaic, affine])
    mixing = [
        augment.MixUp(dataset, pre_transform=placed, p=0.0 if closed else options.mixup),
        augment.CutMix(dataset, pre_transform=placed, p=0.0 if closed else options.cutmix),
    ]
    shading = [
        _to_bgr,
        augment.RandomHSV(options.hsv_h, options.hsv_s, options.hsv_v),
        augment.RandomFlip(p=options.flipud, direction="vertical"),
        augment.RandomFlip(p=options.fliplr, direction="horizontal"),
    ]
    return augment.Compose([placed, *mixing, *shading])


def _to_bgr(labels: dict[str, Any]) -> dict[str, Any]:
    """Channels in the order in which Ultralytics shades them."""
    labels["img"] = np.ascontiguousarray(labels["img"][..., ::-1])
    return labels


def _as_shares(
    corners: NDArray[np.float32], labels: NDArray[np.int64], side: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Centre, width and height as shares of the side, float32 [k, 4]; boxes without an area are left out."""
    inside = np.clip(corners.astype(np.float32), 0, side)
    extent = inside[:, 2:] - inside[:, :2]
    kept = (extent > 0).all(axis=1)
    centres = (inside[:, :2] + inside[:, 2:]) / 2
    return (np.concatenate([centres, extent], axis=1) / side)[kept].astype(np.float32), labels[kept]


@contextmanager
def _seeded(rng: np.random.Generator) -> Iterator[None]:
    """Seed the global generators that the transforms draw from; afterwards they are as they were."""
    before, numpy_before = random.getstate(), np.random.get_state()
    random.seed(int(rng.integers(2**63)))
    np.random.seed(int(rng.integers(2**32)))
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(numpy_before)
