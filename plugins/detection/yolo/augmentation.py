"""Augment training scenes with Ultralytics' own transforms, above all mosaics.

Each view is a function of (seed, epoch, index). The other scenes of a mosaic are drawn from the whole split. The global
generators that the transforms use are seeded for each view and restored afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plugins.detection.dataset import Scenes
from plugins.detection.letterbox import Letterboxed, Schedule, View, as_shares
from plugins.detection.yolo.options import YoloOptions
from plugins.detection.yolo.ultralytics import library, one_thread


@dataclass
class MosaicScenes:
    """A training split augmented by Ultralytics; a `core.PreparedDataset`.

    Attributes:
        scenes: The split.
        options: Shares and strengths of the transforms.
        schedule: Turns mosaics off near the end.
        ahead: Whether worker processes pay off even without decoding, because a GPU computes meanwhile.
    """

    scenes: Scenes
    options: YoloOptions
    schedule: Schedule
    ahead: bool = False
    _chains: dict[bool, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.lengths = self.scenes.lengths
        self.needs_workers = self.ahead or self.scenes.needs_workers

    def __len__(self) -> int:
        return len(self.scenes)

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> View:
        """Return one scene as augmented in this epoch (usually a mosaic of four), or unchanged without a generator."""
        if rng is None:
            return Letterboxed(self.scenes).fetch(index, epoch, None)
        closed = self.schedule.is_closed(epoch)
        with _seeded(rng), one_thread():
            shown = self._chain(closed)(self.get_image_and_label(index))
        boxes = shown["instances"]
        boxes.convert_bbox(format="xyxy")
        labels = shown["cls"].reshape(-1).astype(np.int64)
        size = self.scenes.scene(index).size if self.scenes.needs_workers else self._size(index)
        pixels = np.ascontiguousarray(shown["img"][..., ::-1])
        return View(pixels, size, *as_shares(boxes.bboxes, labels, self.scenes.transform.side), epoch)

    def _size(self, index: int) -> tuple[int, int]:
        assert self.scenes.sizes is not None
        return int(self.scenes.sizes[index, 0]), int(self.scenes.sizes[index, 1])

    def _chain(self, closed: bool) -> Any:
        if closed not in self._chains:
            self._chains[closed] = _transforms(self, closed)
        return self._chains[closed]

    # --- the data set's interface that the transforms expect ---

    cache = "ram"
    """Makes the mosaic draw from the whole split instead of a buffer of recently read images."""

    def get_image_and_label(self, index: int) -> dict[str, Any]:
        """Return one scene in the format of Ultralytics' transforms."""
        scene = self.scenes.scene(index)
        shape = scene.pixels.shape[:2]
        instances = library().instance.Instances(
            scene.corners, np.zeros((0, 1000, 2), dtype=np.float32), bbox_format="xyxy", normalized=False
        )
        labels = scene.labels.astype(np.float32).reshape(-1, 1)
        known = {"im_file": "", "ori_shape": shape, "resized_shape": shape}
        return known | {"img": scene.pixels, "cls": labels, "instances": instances}


def _transforms(dataset: MosaicScenes, closed: bool) -> Any:
    """Return Ultralytics' transforms for detection (`v8_transforms`), except those that need segments or packages."""
    options, side, augment = dataset.options, dataset.scenes.transform.side, library().augment
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
    """Reorder channels to BGR, which Ultralytics' color transform expects."""
    labels["img"] = np.ascontiguousarray(labels["img"][..., ::-1])
    return labels


@contextmanager
def _seeded(rng: np.random.Generator) -> Iterator[None]:
    """Seed the global generators that the transforms use, and restore them afterwards."""
    before, numpy_before = random.getstate(), np.random.get_state()
    random.seed(int(rng.integers(2**63)))
    np.random.seed(int(rng.integers(2**32)))
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(numpy_before)
