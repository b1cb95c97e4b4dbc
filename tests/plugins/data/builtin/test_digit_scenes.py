"""Scenes drawn from the embedded digits: their boxes are exact, and the cache is reused or made again.

Covers: plugins/data/builtin/digit_scenes_cache.py, plugins/data/builtin/scene_drawing.py
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from box_files import load

from core.images.reading import open_image
from plugins.data.adapters.detection import DigitScenes
from plugins.data.builtin import digit_scenes_cache, scene_drawing


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "digit_scenes"


def test_scenes_are_kept_and_read_again(cache):
    made = load(DigitScenes(scenes=40))
    (folder,) = cache.iterdir()
    before = {each.name: each.stat().st_mtime_ns for each in folder.iterdir()}
    again = load(DigitScenes(scenes=40))
    assert {each.name: each.stat().st_mtime_ns for each in folder.iterdir()} == before
    assert made.fingerprint == again.fingerprint
    assert list(made.train) == list(again.train)
    assert [len(each) for each in (made.train, made.val, made.test)] == [32, 4, 4]
    assert made.labels == scene_drawing.LABELS


def test_the_same_on_every_machine():
    """The pixels of the first scene are pinned: scores of one machine are compared with those of another."""
    splits = load(DigitScenes(scenes=10))
    assert splits.train[0].digest == PINNED
    assert splits.fingerprint == load(DigitScenes(scenes=10)).fingerprint
    assert splits.fingerprint != load(DigitScenes(scenes=10, scenes_seed=1)).fingerprint


PINNED = "bff1079990c27775ebce2d05c0f3fe4f"


def test_more_scenes_begin_with_the_same_ones():
    few, many = load(DigitScenes(scenes=20)), load(DigitScenes(scenes=30))
    assert [each.digest for each in few.train] == [each.digest for each in many.train[: len(few.train)]]


def test_splits_are_drawn_from_different_handwriting():
    pools = scene_drawing.pools()
    assert sorted(np.concatenate(list(pools.values()))) == list(range(1797))
    held = {part: {ink.tobytes() for ink, _ in digits} for part, digits in scene_drawing.digits().items()}
    assert not held["train"] & held["test"]
    assert not held["val"] & (held["train"] | held["test"])


def test_boxes_fit_the_ink():
    """On an even ground each box is the smallest that holds all pixels that differ from it clearly."""
    ink, _ = scene_drawing.digits()["train"][0]
    for height in (16, 30, 44):
        cut = scene_drawing._enlarged(ink, height)
        assert cut[0].max() >= 96
        assert cut[-1].max() >= 96
        assert cut[:, 0].max() >= 96
        assert cut[:, -1].max() >= 96


def test_what_is_in_the_scenes():
    splits = load(DigitScenes(scenes=300))
    counts = [len(each.target) for each in splits.train]
    assert min(counts) == 0
    assert max(counts) == 6
    assert 0.005 < counts.count(0) / len(counts) < 0.08
    corners = np.concatenate([each.target.arrays()[0] for each in splits.train])
    assert corners.min() >= 0
    assert corners.max() <= 128
    heights = corners[:, 3] - corners[:, 1]
    assert 12 <= heights.min() < 20
    assert 40 < heights.max() <= 44
    assert {label for each in splits.train for label in each.target.labels} == set(range(10))
    assert all(len(np.unique(np.asarray(open_image(each.image)))) > 20 for each in splits.test)


def test_a_damaged_cache_is_rebuilt(cache):
    before = load(DigitScenes(scenes=20))
    (folder,) = cache.iterdir()
    (folder / "train-0003.png").write_bytes(b"torn")
    assert [open_image(each.image).size for each in load(DigitScenes(scenes=20)).train] == [(128, 128)] * 16
    (folder / "scenes.json").write_text("{")
    assert load(DigitScenes(scenes=20)).fingerprint == before.fingerprint
    assert [each.name for each in cache.iterdir()] == [folder.name]


def test_a_disk_that_cannot_be_written(cache, monkeypatch):
    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    splits = load(DigitScenes(scenes=20))
    (finding,) = [each for each in splits.findings if each.code == "cache_not_written"]
    assert "No space left on device" in finding.message
    assert isinstance(splits.train[0].image, bytes)
    assert not list(cache.iterdir())
    monkeypatch.undo()
    monkeypatch.setenv("GRAFT_CACHE", str(cache.parent))
    assert load(DigitScenes(scenes=20)).fingerprint == splits.fingerprint


def test_options_decide(cache):
    splits = load(DigitScenes(scenes=20, size=64, objects=1, min_size=20, max_size=20))
    assert splits.train[0].size == (64, 64)
    assert max(len(each.target) for each in splits.train) == 1
    assert len(digit_scenes_cache.key({"a": 1})) == 64
