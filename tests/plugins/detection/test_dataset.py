"""Decoding a split once, in memory or in the cache, or each time; boxes follow the pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scene_samples
from numpy.typing import NDArray
from PIL import Image

from core.errors import DataError
from core.images.reading import encode_png
from core.tasks.detection.boxes import Boxes, BoxExample
from plugins.detection import dataset
from plugins.detection.dataset import ScaleTransform, long_side, prepare


def nearest(pixels: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(pixels).resize(shape, Image.Resampling.NEAREST))


TRANSFORM = ScaleTransform(32, nearest, "nearest")


def test_the_long_side_is_as_asked_and_boxes_go_with_the_pixels() -> None:
    split = scene_samples.examples(6, width=64, height=48)
    prepared = prepare(split, TRANSFORM, 10**7, "f")
    for row, example in enumerate(split):
        found = prepared.scene(row)
        assert (found.pixels.shape, found.size) == ((24, 32, 3), (64, 48))
        assert example.target is not None
        np.testing.assert_allclose(found.corners, np.asarray(example.target.corners) / 2)
        assert found.labels.tolist() == list(example.target.labels)
        for (x1, y1, x2, y2), label in zip(found.corners, found.labels, strict=True):
            middle = found.pixels[int((y1 + y2) / 2), int((x1 + x2) / 2)].tolist()
            assert middle in [list(colour) for colour in scene_samples.COLOURS], label


@pytest.mark.parametrize(("width", "height", "shape"), [(10, 40, (32, 8)), (300, 2, (1, 32)), (32, 32, (32, 32))])
def test_small_large_and_thin_images_are_scaled_alike(width: int, height: int, shape: tuple[int, int]) -> None:
    image = encode_png(np.full((height, width, 3), 7, dtype=np.uint8))
    prepared = prepare([BoxExample(image)], TRANSFORM, 10**7, "f")
    assert prepared.scene(0).pixels.shape[:2] == shape
    assert prepared.scene(0).size == (width, height)


def test_in_memory_on_disk_or_decoded_each_time_it_is_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    split = [*scene_samples.examples(3, 64, 48), *scene_samples.examples(3, 20, 40)]
    kept, anew = prepare(split, TRANSFORM, 10**7, "f"), prepare(split, TRANSFORM, 0, "f")
    assert (kept.needs_workers, anew.needs_workers) == (False, True)
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path))
    monkeypatch.setattr(dataset, "ON_DISK_FROM", 1)
    stored, again = prepare(split, TRANSFORM, 10**7, "f"), prepare(split, TRANSFORM, 10**7, "f")
    assert isinstance(again.store, np.memmap)
    assert len(list((tmp_path / "scenes").iterdir())) == 1
    for row in range(len(split)):
        for other in (anew, stored, again):
            for a, b in zip(kept.scene(row), other.scene(row), strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_damaged_cache_is_done_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path))
    monkeypatch.setattr(dataset, "ON_DISK_FROM", 1)
    split = scene_samples.examples(3)
    prepare(split, TRANSFORM, 10**7, "f")
    (folder,) = (tmp_path / "scenes").iterdir()
    (folder / "pixels.npy").write_bytes(b"not an array")
    assert not isinstance(prepare(split, TRANSFORM, 10**7, "f").store, np.memmap)


def test_every_unreadable_image_is_named() -> None:
    split = scene_samples.examples(4)
    split[1], split[3] = replace(split[1], image=b""), replace(split[3], image=b"no image")
    with pytest.raises(DataError) as caught:
        prepare(split, TRANSFORM, 10**7, "f")
    assert {problem.where for problem in caught.value.problems} == {"sample:1", "sample:3"}


def test_crowds_are_left_out_and_boxes_end_with_the_image() -> None:
    boxes = Boxes(((0, 0, 10, 10), (-4, 40, 99, 60)), (0, 1), (True, False))
    (example,) = scene_samples.examples(1, 64, 48)
    found = prepare([replace(example, target=boxes)], TRANSFORM, 10**7, "f").scene(0)
    np.testing.assert_allclose(found.corners, [[0, 20, 32, 24]])
    assert found.labels.tolist() == [1]


def test_the_size_of_a_split_is_its_median() -> None:
    split = [*scene_samples.examples(2, 64, 48), *scene_samples.examples(3, 100, 120)]
    assert long_side(split) == 120
    assert long_side([replace(each, size=(0, 0)) for each in split]) == 120
    assert long_side([]) == 0
