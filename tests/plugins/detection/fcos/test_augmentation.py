"""Augmented scenes for FCOS: a function of (seed, epoch, index), with boxes that stay on their objects."""

from __future__ import annotations

import numpy as np
import scene_samples

from core.data.batching import example_rng
from plugins.detection import dataset
from plugins.detection.fcos.augmentation import JitteredScenes, Strength, apply_shade, move_boxes, place_scene
from plugins.detection.letterbox import Letterboxed, View, corners_in
from plugins.detection.plugin import Torchvision

FAR = Strength(scale=0.4, translate=0.2, fliplr=0.5, shade=0.3)


def split(n: int = 12, strength: Strength = FAR, side: int = 128) -> JitteredScenes:
    examples = scene_samples.examples(n)
    model = Torchvision(init="scratch", channels=64, convolutions=1, image_size=side).load(
        scene_samples.load_request(examples)
    )
    found = dataset.prepare(examples, model._transform(), 2**30, "jitter")  # type: ignore[attr-defined]
    return JitteredScenes(found, strength)


def same(one: View, other: View) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def view(prepared: JitteredScenes, index: int, epoch: int = 0, seed: int = 0) -> View:
    return prepared.fetch(index, epoch, example_rng(seed, epoch, index))


def test_a_view_depends_on_seed_epoch_and_index_alone() -> None:
    one, other = split(), split()
    first = [view(one, index) for index in range(6)]
    for index in reversed(range(6)):
        view(other, 5, epoch=3)
        assert same(view(other, index), first[index])
    assert not same(view(one, 0, epoch=1), first[0])
    assert not same(view(one, 0, seed=1), first[0])


def test_without_a_generator_nothing_is_varied() -> None:
    prepared = split()
    plain = Letterboxed(prepared.scenes)
    assert all(same(prepared.fetch(row, 0, None), plain.fetch(row, 0, None)) for row in range(3))


def test_a_strength_of_nothing_shows_the_scene_in_the_middle() -> None:
    prepared = split(strength=Strength(0, 0, 0, 0))
    plain = Letterboxed(prepared.scenes)
    for row in range(4):
        varied, wanted = view(prepared, row), plain.fetch(row, 0, None)
        np.testing.assert_array_equal(varied.pixels, wanted.pixels)
        np.testing.assert_allclose(varied.boxes, wanted.boxes, atol=1e-6)


def test_boxes_lie_on_what_they_are_of() -> None:
    """Every box is filled with the colour of its label, and just outside of it is something else."""
    prepared = split(20, Strength(0.4, 0.1, 0.5, 0.0))
    right = total = 0
    for index in range(20):
        for epoch in range(3):
            found = view(prepared, index, epoch)
            for (x1, y1, x2, y2), label in zip(corners_in(found).round().astype(int), found.labels, strict=True):
                inner = found.pixels[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].reshape(-1, 3).astype(int)
                if len(inner) and x1 > 4 and x2 < 124 and y1 > 4 and y2 < 124:
                    outer = found.pixels[[y1 - 3, y2 + 2], (x1 + x2) // 2].astype(int)
                    filled = np.abs(np.median(inner, axis=0) - scene_samples.COLOURS[label]).max() < 25
                    right += bool(filled and (np.abs(outer - scene_samples.COLOURS[label]).max(axis=1) > 40).any())
                    total += 1
    assert total > 60
    assert right / total > 0.9  # objects may lie on one another


def test_half_are_mirrored() -> None:
    pixels = np.zeros((4, 8, 3), dtype=np.uint8)
    pixels[:, :2] = 200
    found = place_scene(pixels, np.asarray([-1.0, 1.0]), np.asarray([8.0, 0.0]), 8)
    assert (found[:4, 6:] == 200).all()
    assert (found[:4, :6] == 0).all()
    corners, labels = move_boxes(
        np.asarray([[0, 0, 2, 4]], np.float32), np.asarray([3]), np.asarray([-1.0, 1.0]), np.asarray([8.0, 0.0]), 8
    )
    assert corners.tolist() == [[6, 0, 8, 4]]
    assert labels.tolist() == [3]


def test_objects_out_of_sight_are_not_learned() -> None:
    boxes = np.asarray([[0, 0, 10, 10], [20, 20, 30, 30]], np.float32)
    scales, offsets = np.asarray([1.0, 1.0]), np.asarray([-9.5, 0.0])
    corners, labels = move_boxes(boxes, np.asarray([0, 1]), scales, offsets, 64)
    assert labels.tolist() == [1]
    assert corners.tolist() == [[10.5, 20, 20.5, 30]]


def test_shades() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    assert apply_shade(pixels, np.ones(3)) is pixels
    grey = apply_shade(pixels, np.asarray([1.0, 1.0, 0.0]))
    assert (np.ptp(grey.astype(int), axis=2) == 0).all()
    flat = apply_shade(pixels, np.asarray([1.0, 0.0, 0.0]))
    assert np.ptp(flat) == 0
    assert apply_shade(pixels, np.asarray([1.5, 1.0, 1.0])).mean() > pixels.mean()
