"""Decoding a split once, in memory or in the cache, or each time; and files that break later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_samples import examples, files
from PIL import Image

from core.data.batching import epoch_batches, evaluation_batches, example_rng, worker_count
from core.errors import DataError
from plugins.images import dataset
from plugins.images.augmentation import Policy
from plugins.images.dataset import ImageDataset, ImageTransform, prepare, size_of


def halve(image: Image.Image) -> Image.Image:
    return image.resize((8, 8), Image.Resampling.BILINEAR)


TRANSFORM = ImageTransform(8, halve, "halved")
VARIED = replace(TRANSFORM, policy=Policy(shift=0.2, mixup=0.5))


def squares(prepared: ImageDataset) -> np.ndarray:
    return np.stack([prepared.fetch(i, 0, None).view.pixels for i in range(len(prepared))])


def same(one: Any, other: Any) -> bool:
    """Whether two items are the same, numbers and all."""
    if isinstance(one, tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(np.array_equal(one, other)) if isinstance(one, np.ndarray) else bool(one == other)


def test_kept_in_memory_or_decoded_each_time_it_is_the_same(tmp_path: Path) -> None:
    split = files(tmp_path)
    kept, anew = (prepare(split, VARIED, budget, "f", None) for budget in (10**6, 0))
    assert not kept.needs_workers
    assert anew.needs_workers
    assert worker_count(None, kept) == 0
    assert worker_count(None, anew) > 0
    np.testing.assert_array_equal(squares(kept), squares(anew))
    for index in range(len(split)):
        items = [each.fetch(index, 3, example_rng(0, 3, index)) for each in (kept, anew)]
        assert same(*items)


def test_the_cache_is_reused_and_rebuilt_when_it_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(dataset, "ON_DISK_FROM", 1)
    split = files(tmp_path)
    first = squares(prepare(split, TRANSFORM, 10**6, "f", None))
    (stored,) = (tmp_path / "cache" / "images").glob("*.npy")
    for example in split:
        assert isinstance(example.image, Path)
        example.image.unlink()  # what is in the cache needs no file
    again = prepare(split, TRANSFORM, 10**6, "f", None)
    assert isinstance(again.store, np.memmap)
    np.testing.assert_array_equal(squares(again), first)
    stored.write_bytes(b"not an array")
    with pytest.raises(DataError, match=r"0\.png"):
        prepare(split, TRANSFORM, 10**6, "f", None)


def test_other_images_or_another_look_are_not_taken_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(dataset, "ON_DISK_FROM", 1)
    prepare(examples(4), TRANSFORM, 10**6, "f", None)
    prepare(examples(4), replace(TRANSFORM, key="other"), 10**6, "f", None)
    prepare([replace(each, digest=f"x{each.digest}") for each in examples(4)], TRANSFORM, 10**6, "f", None)
    prepare(examples(4), TRANSFORM, 10**6, "f", None)
    assert len(list((tmp_path / "cache" / "images").glob("*.npy"))) == 3


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(dataset, "ON_DISK_FROM", 1)
    kept = prepare(examples(4), TRANSFORM, 10**6, "f", None)
    assert not isinstance(kept.store, np.memmap)
    assert len(kept) == 4


def test_every_unreadable_image_is_named(tmp_path: Path) -> None:
    split = files(tmp_path)
    (tmp_path / "1.png").write_bytes(b"")
    (tmp_path / "3.png").write_bytes((tmp_path / "2.png").read_bytes()[:60])
    with pytest.raises(DataError) as caught:
        prepare(split, TRANSFORM, 10**6, "f", None)
    assert "1.png" in str(caught.value)
    assert "3.png" in str(caught.value)
    assert "2.png" not in str(caught.value)


def test_an_image_that_breaks_later_is_named_when_it_is_fetched(tmp_path: Path) -> None:
    anew = prepare(files(tmp_path), TRANSFORM, 0, "f", None)
    (tmp_path / "2.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"2\.png.*not an image"):
        anew.fetch(2, 0, None)


def test_workers_change_nothing(tmp_path: Path) -> None:
    class Collating:
        def collate(self, items: Any) -> Any:
            return {"pixels": np.stack([item.view.pixels for item in items])}

    anew = prepare(files(tmp_path), TRANSFORM, 0, "f", None)
    found = [
        [(rows.tolist(), batch["pixels"]) for rows, batch in evaluation_batches(Collating(), anew, 2, workers=count)]  # type: ignore[arg-type]
        for count in (0, 2)
    ]
    assert len(found[0]) == 3
    assert same(tuple(found[0]), tuple(found[1]))


def test_targets_and_lengths() -> None:
    prepared = prepare(examples(5), TRANSFORM, 10**6, "f", np.arange(5))
    assert [prepared.fetch(i, 0, None).view.target for i in range(5)] == list(range(5))
    assert prepared.lengths.tolist() == [1] * 5
    assert sum(len(each) for each in epoch_batches(prepared.lengths, 2, 0, 0, True)) == 5


def test_the_size_of_an_image_that_was_not_inspected() -> None:
    assert size_of(replace(examples(1, (30, 10))[0], size=(0, 0))) == (30, 10)
    assert size_of(replace(examples(1)[0], size=(0, 0), image=b"broken")) == (1, 1)
