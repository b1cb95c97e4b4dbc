"""Augmented images for YOLO: a function of (seed, epoch, index), with boxes that stay on their objects.

Covers: plugins/detection/letterbox.py
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import scene_samples
import torch

from core.contracts.model import TrainingPlan
from core.data.batching import Steps, example_rng
from plugins.detection.letterbox import Letterboxed, Schedule, View
from plugins.detection.plugin import Ultralytics
from plugins.detection.yolo.augmentation import MosaicScenes
from plugins.detection.yolo.model import YoloModel
from plugins.detection.yolo.ultralytics import library

TINY = {"init": "scratch", "width": 0.125, "depth": 0.34}


def loaded(n: int = 12, **options: Any) -> tuple[YoloModel, list[Any]]:
    split = scene_samples.examples(n)
    model = Ultralytics(**{**TINY, **options}).load(scene_samples.load_request(split))
    assert isinstance(model, YoloModel)
    return model, split


def same(one: View, other: View) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def view(prepared: Any, index: int, epoch: int = 0, seed: int = 0) -> View:
    found = prepared.fetch(index, epoch, example_rng(seed, epoch, index))
    assert isinstance(found, View)
    return found


@pytest.mark.parametrize(
    "options", [{}, {"mixup": 1.0}, {"cutmix": 1.0}, {"degrees": 20.0, "shear": 5.0, "flipud": 0.5}]
)
def test_a_view_depends_on_seed_epoch_and_index_alone(options: dict[str, Any]) -> None:
    model, split = loaded(**options)
    prepared, other = model.prepare(split, train=True), model.prepare(split, train=True)
    first = [view(prepared, index) for index in range(6)]
    random.seed(99)
    np.random.seed(99)
    torch.manual_seed(99)
    for index in reversed(range(6)):
        view(other, 5, epoch=3)
        assert same(view(other, index), first[index])
    assert not same(view(prepared, 0, epoch=1), first[0])
    assert not same(view(prepared, 0, seed=1), first[0])


def test_global_generators_and_threads_are_as_they_were() -> None:
    model, split = loaded()
    prepared = model.prepare(split, train=True)
    cv2 = library().cv2
    cv2.setNumThreads(3)
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    wanted = random.random(), np.random.rand(), torch.rand(()).item()
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    view(prepared, 0)
    assert (random.random(), np.random.rand(), torch.rand(()).item()) == wanted
    assert cv2.getNumThreads() == 3


def test_workers_and_micro_batches_change_nothing() -> None:
    model, split = loaded()
    prepared = model.prepare(split, train=True)

    def images(workers: int, micro: int) -> list[torch.Tensor]:
        steps = Steps(model, prepared, 4, micro, seed=3, bucket=True)
        batches = [batch for step in steps.stream(0, 5, workers) for batch in step]
        return [image for batch in batches for image in batch.tensors["img"]]

    for workers, micro in ((0, 2), (2, 4)):
        for one, other in zip(images(0, 4), images(workers, micro), strict=True):
            assert torch.equal(one, other)


def test_partners_come_from_the_whole_split() -> None:
    model, split = loaded(40)
    prepared = model.prepare(split, train=True)
    assert isinstance(prepared, MosaicScenes)
    asked: list[int] = []
    read = prepared.get_image_and_label
    prepared.get_image_and_label = lambda index: (asked.append(index), read(index))[1]  # type: ignore[method-assign]
    for epoch in range(30):
        view(prepared, 0, epoch)
    assert len(set(asked)) > 30


def test_boxes_lie_on_what_they_are_of() -> None:
    """Of every box the middle has the colour of its label, in mosaics too (turned off: what changes colours)."""
    model, split = loaded(hsv_h=0.0, hsv_s=0.0, hsv_v=0.0, scale=0.1, image_size=128)
    for prepared in (model.prepare(split, train=True), model.prepare(split, train=False)):
        right = total = 0
        for index in range(len(split)):
            found = view(prepared, index)
            for (x, y, _, _), label in zip(found.boxes * 128, found.labels, strict=True):
                colour = found.pixels[int(y), int(x)].astype(int)
                right += bool(np.abs(colour - scene_samples.COLOURS[label]).max() < 30)
                total += 1
        assert total > 10
        assert right / total > 0.85  # objects may lie on one another


def test_the_letterbox_is_ultralytics_own() -> None:
    for width, height in ((64, 48), (50, 97), (31, 30)):
        split = scene_samples.examples(2, width, height)
        model = Ultralytics(**TINY, image_size=96).load(scene_samples.load_request(split))
        prepared = model.prepare(split, train=False)
        theirs = library().augment.LetterBox((96, 96))
        for row in range(2):
            wanted = theirs(image=scene_samples.scene(row, width, height)[0])
            np.testing.assert_array_equal(view(prepared, row).pixels, wanted)


def test_mosaics_close_for_the_last_epochs_but_never_for_more_than_a_third() -> None:
    assert [Schedule(36, 10).is_closed(epoch) for epoch in (25, 26, 35)] == [False, True, True]
    assert [Schedule(6, 10).is_closed(epoch) for epoch in (3, 4, 5)] == [False, True, True]
    assert not Schedule(36, 0).is_closed(35)
    assert not Schedule(0, 10).is_closed(1000)
    model, split = loaded()
    prepared = model.prepare(split, train=True)
    asked: list[int] = []
    assert isinstance(prepared, MosaicScenes)
    read = prepared.get_image_and_label
    prepared.get_image_and_label = lambda index: (asked.append(index), read(index))[1]  # type: ignore[method-assign]
    model.on_train_start(TrainingPlan(100, 30.0))
    view(prepared, 1, epoch=19)
    assert len(asked) == 4
    asked.clear()
    view(prepared, 1, epoch=20)
    assert asked == [1]


def test_without_augmentation_training_sees_what_evaluation_sees() -> None:
    model, split = loaded(augment=False)
    prepared = model.prepare(split, train=True)
    assert isinstance(prepared, Letterboxed)
    assert not model.augmented
    assert same(view(prepared, 2), model.prepare(split, train=False).fetch(2, 0, None))


def test_without_a_generator_nothing_is_varied() -> None:
    model, split = loaded()
    varied, plain = (model.prepare(split, train=train) for train in (True, False))
    assert all(same(varied.fetch(row, 0, None), plain.fetch(row, 0, None)) for row in range(3))


def test_views_without_a_cache_are_the_same() -> None:
    (kept, split), (anew, _) = loaded(), loaded(cache_mb=0)
    one, other = kept.prepare(split, train=True), anew.prepare(split, train=True)
    assert (one.needs_workers, other.needs_workers) == (False, True)  # type: ignore[attr-defined]
    assert [finding.code for finding in anew.findings] == ["image_size", "images_not_cached"]
    assert all(same(view(one, index), view(other, index)) for index in range(4))
