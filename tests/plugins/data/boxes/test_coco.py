"""COCO annotations: splits, labels, boxes, and every problem of a file.

Covers: plugins/data/boxes/coco_images.py, plugins/data/boxes/coco_json.py, plugins/data/boxes/files.py,
plugins/data/boxes/orientation.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from box_files import boxes, codes, found, load, picture, problem, write

from plugins.data.adapters.detection import Coco

CATEGORIES = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}, {"id": 90, "name": "never seen"}]


def said(first: int = 0, count: int = 3, **more: Any) -> dict[str, Any]:
    images = [{"id": 10 + n, "file_name": f"{first + n}.png", "width": 40, "height": 20} for n in range(count)]
    annotations = [
        {"id": n, "image_id": 10 + n, "category_id": (7, 3)[n % 2], "bbox": [10, 5, 20, 10], "iscrowd": 0}
        for n in range(count)
    ]
    return {"images": images, "annotations": annotations, "categories": CATEGORIES} | more


def dataset(folder: Path, train: dict[str, Any] | None = None) -> Path:
    for at, part in enumerate(("train", "val", "test")):
        for number in range(3):
            picture(folder / f"{part}2017/{3 * at + number}.png", seed=3 * at + number)
        content = train if at == 0 and train is not None else said(3 * at)
        write(folder / f"annotations/instances_{part}2017.json", json.dumps(content))
        write(folder / f"annotations/captions_{part}2017.json", "{}")
    return folder


def coco(folder: Path, **options) -> Coco:
    return Coco(path=str(folder), **options)


def test_splits_labels_and_boxes(tmp_path):
    splits = load(coco(dataset(tmp_path)))
    assert splits.labels == ("cat", "dog", "never seen")
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [3, 3, 3]
    assert [each["file_name"] for each in said(3)["images"]] == ["3.png", "4.png", "5.png"]
    assert [row for place, row in boxes(splits).items() if place.endswith("4.png")] == [[("cat", (10, 5, 30, 15))]]


def test_crowds_and_images_without_an_annotation(tmp_path):
    content = said()
    content["annotations"] = [
        content["annotations"][0] | {"iscrowd": 1, "segmentation": {"counts": [1], "size": [1, 1]}}
    ]
    splits = load(coco(dataset(tmp_path, content)))
    assert splits.train[0].target.crowd == (True,)
    assert [len(each.target) for each in splits.train] == [1, 0, 0]


def test_one_file_is_split(tmp_path):
    for number in range(10):
        picture(tmp_path / f"images/{number}.png", seed=number)
    path = write(tmp_path / "result.json", json.dumps(said(count=10)))
    for place in (tmp_path, path):
        splits = load(coco(place))
        assert [len(each) for each in (splits.train, splits.val, splits.test)] == [7, 1, 2]
    splits = load(Coco(train=str(path), images=str(tmp_path / "images")))
    assert len(splits.train) == 7


def test_a_folder_for_each_split(tmp_path):
    for at, part in enumerate(("train", "valid", "test")):
        for number in range(3):
            picture(tmp_path / part / f"{3 * at + number}.png", seed=3 * at + number)
        write(tmp_path / part / "_annotations.coco.json", json.dumps(said(3 * at)))
    splits = load(coco(tmp_path))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [3, 3, 3]


def test_paths_of_another_machine_are_found_by_their_last_part(tmp_path):
    content = said()
    for each, where in zip(content["images"], ("/srv/data/", "../../", "C:\\photos\\"), strict=True):
        each["file_name"] = where + each["file_name"]
    splits = load(coco(dataset(tmp_path, content)))
    assert found(splits, "moved_image")[0] == 3
    assert len(splits.train) == 3


def test_an_image_outside_the_folder_is_refused(tmp_path):
    content = said()
    content["images"][0]["file_name"] = str(picture(tmp_path / "secret.png", seed=99))
    message = problem(coco(dataset(tmp_path / "set", content)))
    assert "instances_train2017.json:images[0]: the image" in message
    assert "lies outside the folder" in message


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"bbox": [10, 5, 0, 10]}, "has no width"),
        ({"bbox": [10, 5, -5, 10]}, "ends before it begins"),
        ({"bbox": [10, 5, float("nan"), 10]}, "a number that is not finite"),
        ({"bbox": [100, 5, 5, 10]}, "lies outside"),
        ({"bbox": [10, 5, 5]}, "not four numbers"),
        ({"bbox": None}, "not four numbers"),
        ({"bbox": ["a", 5, 5, 5]}, "not four numbers"),
        ({"category_id": 8}, "the category 8 is not one of the 3 categories"),
        ({"image_id": 999}, "for image 999, which `images` does not list"),
        ({"image_id": [1]}, "which `images` does not list"),
    ],
)
def test_annotations_that_cannot_be_used_are_named(tmp_path, change, text):
    content = said()
    content["annotations"].append(content["annotations"][0] | {"id": 77} | change)
    folder = dataset(tmp_path, content)
    message = problem(coco(folder))
    assert "instances_train2017.json:annotations[3]: " in message
    assert text in message
    assert len(load(coco(folder, on_bad_row="skip")).train) == 3


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"file_name": "gone.png"}, "there is no image gone.png"),
        ({"file_name": None}, "an image needs an id and a file_name"),
        ({"id": 11}, "the image id 11 occurs twice"),
        ({"width": 80}, "are for 80 × 20 pixels, the image has 40 × 20"),
    ],
)
def test_images_that_cannot_be_used(tmp_path, change, text):
    content = said()
    content["images"][2] |= change
    folder = dataset(tmp_path, content)
    assert text in problem(coco(folder))
    assert len(load(coco(folder, on_bad_row="skip")).train) == 2


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "the file is empty"),
        ('{"images": [,', "train2017.json:1: is not valid JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[]", "it has no list images, annotations, categories"),
        ('{"images": [], "annotations": []}', "it has no list categories"),
        (json.dumps(said(categories=[{"id": 1}])), "categories[0]: a category needs a number"),
        (json.dumps(said(categories=[CATEGORIES[0]] * 2)), "the id 7 occurs twice"),
        (
            json.dumps(said(categories=[{"id": 7, "name": "dog"}, {"id": 8, "name": "dog"}])),
            "several categories have the same name: dog",
        ),
        (
            json.dumps(said(categories=[{"id": 7, "name": "wolf"}])),
            "the category 7 is 'wolf' here, but 'dog' in another",
        ),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, wanted):
    folder = dataset(tmp_path)
    write(folder / "annotations/instances_train2017.json", text)
    assert wanted in problem(coco(folder))


def test_files_that_name_no_training_split(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.json", json.dumps(said()))
    assert "data.train=FILE" in problem(coco(tmp_path))


def test_labels_of_the_task_come_first(tmp_path):
    splits = load(coco(dataset(tmp_path)), labels=["dog", "cat"])
    assert splits.labels == ("dog", "cat")
    assert "labels_missing_from_train" not in codes(splits)
