"""Data sets of the Hub with images: saved folders, Parquet files, and unreadable images."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pytest

from core.errors import DataError
from core.images.reading import encode_png, open_image
from core.tasks.task import Task
from plugins.data.adapters.hub import Hub

NAMES = ["cat", "dog"]
TASK = Task(type="image-classification")


def picture(number: int) -> bytes:
    return encode_png(np.random.default_rng(number).integers(0, 255, (9, 7, 3), dtype=np.uint8))


def pets(count: int = 40, start: int = 0, column: str = "image") -> datasets.Dataset:
    features = datasets.Features({column: datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    images = [{"bytes": picture(start + n), "path": None} for n in range(count)]
    return datasets.Dataset.from_dict({column: images, "label": [n % 2 for n in range(count)]}, features)


def test_images_of_a_saved_dataset(tmp_path):
    pets(column="scan").save_to_disk(tmp_path / "d")
    splits = Hub(path=str(tmp_path / "d")).load(TASK, 0)
    assert splits.labels == ("cat", "dog")
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [28, 4, 8]
    for example in (splits.train[0], splits.test[3], list(splits.val)[1]):
        row = int(example.place.removeprefix("train:")) - 1
        assert example.image == picture(row)
        assert (example.target, example.size) == (row % 2, (7, 9))
        assert len(example.digest) == 32
    assert "image from 'scan', label from 'label'" in splits.description
    assert splits.fingerprint == Hub(path=str(tmp_path / "d")).load(TASK, 0).fingerprint
    (tmp_path / "d").rename(tmp_path / "e")
    assert splits.fingerprint == Hub(path=str(tmp_path / "e")).load(TASK, 0).fingerprint


def test_saved_splits_are_kept_and_leaks_found(tmp_path):
    parts = {"train": pets(20), "validation": pets(6, 100), "test": pets(8, 18)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "d")
    splits = Hub(path=str(tmp_path / "d")).load(TASK, 0)
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [20, 6, 8]
    (leak,) = [each for each in splits.findings if each.code == "duplicates_across_splits"]
    assert (leak.count, leak.places) == (2, ("test:1 = train:19", "test:2 = train:20"))


def test_several_labels(tmp_path):
    features = datasets.Features({"image": datasets.Image(), "tags": datasets.List(datasets.ClassLabel(names=NAMES))})
    images = [{"bytes": picture(n), "path": None} for n in range(20)]
    rows = {"image": images, "tags": [[0], [1], [0, 1], []] * 5}
    datasets.Dataset.from_dict(rows, features).save_to_disk(tmp_path / "d")
    splits = Hub(path=str(tmp_path / "d")).load(Task(type="image-classification", target="multi"), 0)
    assert splits.labels == ("cat", "dog")
    assert {each.target for each in [*splits.train, *splits.val, *splits.test]} == {(0,), (1,), (0, 1), ()}


def test_a_folder_of_parquet_files(tmp_path):
    for name, count, start in (("train", 20, 0), ("test", 6, 50)):
        pets(count, start).to_parquet(tmp_path / f"{name}-00000-of-00001.parquet")
    splits = Hub(path=str(tmp_path)).load(TASK, 0)
    assert splits.labels == ("cat", "dog")
    assert len(splits.test) == 6
    assert open_image(splits.test[0].image).size == (7, 9)
    (tmp_path / "test-00000-of-00001.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match="the Parquet files cannot be read"):
        Hub(path=str(tmp_path)).load(TASK, 0)
    with pytest.raises(DataError, match=r"not a folder with .parquet, .pq files"):
        Hub(path=str(Path(__file__).parent)).load(TASK, 0)


def test_images_by_their_paths_and_by_bare_bytes(tmp_path):
    (tmp_path / "img").mkdir()
    for number in range(20):
        (tmp_path / "img" / f"{number}.png").write_bytes(picture(number))
    labels = [NAMES[n % 2] for n in range(20)]
    paths = [{"bytes": None, "path": str(tmp_path / "img" / f"{n}.png")} for n in range(20)]
    names = [f"../img/{n}.png" for n in range(20)]
    for number, column in enumerate((paths, names, [picture(n) for n in range(20)])):
        folder = tmp_path / f"d{number}"
        datasets.Dataset.from_dict({"image": column, "label": labels, "n": list(range(20))}).save_to_disk(folder)
        splits = Hub(path=str(folder), image="image").load(TASK, 0)
        assert len(splits.train) == 14
        assert isinstance(splits.train[0].image, bytes if number == 2 else Path)
        assert splits.train[0].size == (7, 9)


def test_bad_images_are_named(tmp_path):
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    images = [{"bytes": picture(n), "path": None} for n in range(20)]
    images[4], images[5] = {"bytes": picture(4)[:60], "path": "x.png"}, None
    rows = {"image": images, "label": [n % 2 for n in range(20)]}
    datasets.Dataset.from_dict(rows, features).save_to_disk(tmp_path / "d")
    with pytest.raises(DataError) as error:
        Hub(path=str(tmp_path / "d")).load(TASK, 0)
    assert "train:5: the image is damaged or cut off" in str(error.value)
    assert "train:6: the image is missing" in str(error.value)
    splits = Hub(path=str(tmp_path / "d"), on_bad_row="skip").load(TASK, 0)
    assert {"broken_image", "no_image"} <= {each.code for each in splits.findings}
    with pytest.raises(DataError, match="the text is a dict, not a text"):
        Hub(path=str(tmp_path / "d")).load(Task(), 0)


def test_unlabelled_images_are_files(tmp_path):
    (tmp_path / "1.png").write_bytes(picture(1))
    assert [each.image.name for each in Hub(path="x").unlabelled(TASK, tmp_path)] == ["1.png"]
