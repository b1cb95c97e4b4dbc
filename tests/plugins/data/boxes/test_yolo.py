"""YOLO annotations: `data.yaml`, splits, boxes, and every problem of a file.

Covers: plugins/data/boxes/yolo_config.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from box_files import boxes, codes, found, load, picture, problem, write

from plugins.data.adapters.detection import Yolo

ROW = "1 0.5 0.5 0.5 0.5\n"
BOX = ("dog", (10.0, 5.0, 30.0, 15.0))


def dataset(folder: Path, rows: str = ROW, yaml: str = "", count: int = 3) -> Path:
    """Folders train, val and test of three images each; the first image of train has `rows`."""
    for at, part in enumerate(("train", "val", "test")):
        for number in range(count):
            picture(folder / f"images/{part}/{number}.png", seed=100 * at + number)
            write(folder / f"labels/{part}/{number}.txt", rows if (at, number) == (0, 0) else ROW)
    parts = "train: images/train\nval: images/val\ntest: images/test\n"
    write(folder / "data.yaml", yaml or f"{parts}names: [cat, dog]\n")
    return folder


def yolo(folder: Path, **options) -> Yolo:
    return Yolo(path=str(folder), **options)


def test_boxes_are_in_pixels_and_splits_are_kept(tmp_path):
    splits = load(yolo(dataset(tmp_path)))
    assert splits.labels == ("cat", "dog")
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [3, 3, 3]
    assert boxes(splits)["images/val/1.png"] == [BOX]
    assert splits.train[0].size == (40, 20)
    assert codes(splits) == {"labels_missing_from_train", "labels_missing_from_val", "labels_missing_from_test"}


def test_an_empty_file_means_no_objects(tmp_path):
    splits = load(yolo(dataset(tmp_path, rows="")))
    assert boxes(splits)["images/train/0.png"] == []
    assert "background" not in codes(splits)


def test_a_polygon_becomes_the_box_around_it(tmp_path):
    splits = load(yolo(dataset(tmp_path, rows="0 0.25 0.5 0.5 0.25 0.75 0.75\n")))
    assert boxes(splits)["images/train/0.png"] == [("cat", (10.0, 5.0, 30.0, 15.0))]


@pytest.mark.parametrize(
    "names",
    ["names: {1: dog, 0: cat}", "names:\n  0: cat\n  1: dog", "names: [cat, dog]\nnc: 2", "names: ['cat', dog]"],
)
def test_names_as_a_list_or_by_number(tmp_path, names):
    parts = "train: images/train\nval: images/val\ntest: images/test\n"
    assert load(yolo(dataset(tmp_path, yaml=parts + names))).labels == ("cat", "dog")


@pytest.mark.parametrize(
    "yaml",
    [
        "train: images/train\nval: [images/val, images/test]",
        "path:\ntrain: images/train\nval: images/val\ntest: # none\n",
        "path: {name}\ntrain: images/train\nval: images/val\n",
        "path: ../{name}\ntrain: images/train\nval: images/val\n",
        "path: {folder}\ntrain: images/train\nval: images/val\n",
        "path: nowhere/at/all\ntrain: images/train\nval: images/val\n",
        "train: ../images/train\nval: ../images/val\n",
        "train: ./images/train\nvalid: images/val\n",
    ],
)
def test_paths_as_data_sets_have_them(tmp_path, yaml):
    folder = dataset(tmp_path / "set", yaml=yaml.format(name="set", folder=tmp_path / "set") + "\nnames: [cat, dog]")
    splits = load(yolo(folder))
    assert len(splits.val) == (6 if "[images/val" in yaml else 3)
    assert len(splits.train) == 2
    assert len(splits.test) == 1


def test_lists_of_images(tmp_path):
    folder = dataset(tmp_path, yaml="train: train.txt\nval: images/val\ntest: images/test\nnames: [cat, dog]")
    write(folder / "train.txt", "./images/train/0.png\n\nimages/train/2.png\n")
    assert list(boxes(load(yolo(folder))))[:2] == ["train.txt:1", "train.txt:3"]


def test_an_image_outside_the_folder_is_refused_unless_the_root_is_set(tmp_path):
    folder = dataset(tmp_path / "set", yaml="train: train.txt\nval: images/val\ntest: images/test\nnames: [cat, dog]")
    outside = picture(tmp_path / "images/9.png", seed=9)
    write(tmp_path / "labels/9.txt", ROW)
    write(folder / "train.txt", f"images/train/0.png\n{outside}\n../images/9.png\n")
    message = problem(yolo(folder))
    assert f"train.txt:2: the image {outside} lies outside the folder {folder} (2 such images" in message
    assert "data.root" in message
    assert len(load(yolo(folder, root=str(tmp_path))).train) == 3


def test_a_link_to_an_image_outside_is_refused(tmp_path):
    folder = dataset(tmp_path / "set")
    os.symlink(picture(tmp_path / "secret.png", seed=77), folder / "images/train/link.png")
    assert "lies outside the folder" in problem(yolo(folder))


def test_a_folder_that_links_to_itself_is_read_once(tmp_path):
    folder = dataset(tmp_path)
    os.symlink(folder / "images/train", folder / "images/train/again")
    assert len(load(yolo(folder)).train) == 3


def test_download_is_never_run_and_named(tmp_path):
    trap = tmp_path / "trap"
    code = f"download: |\n  open({str(trap)!r}, 'w')\n"
    parts = "train: images/train\nval: images/val\nnames: [cat, dog]\n"
    splits = load(yolo(dataset(tmp_path / "set", yaml=parts + code)))
    assert "download_ignored" in codes(splits)
    message = problem(yolo(dataset(tmp_path / "other", yaml=parts.replace("images/train", "gone") + code)))
    assert "there is no folder or file gone" in message
    assert "`download`, which Graft never runs" in message
    assert not trap.exists()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("2 0.5 0.5 0.1 0.1\n", "the class 2 is not one of the 2 names (0 to 1)"),
        ("-1 0.5 0.5 0.1 0.1\n", "the class -1 is not one"),
        ("0.5 0.5 0.5 0.1 0.1\n", "the class 0.5 is not one"),
        ("1 0.5 0.5 0.1\n", "the row has 4 numbers"),
        ("1 0.5 0.5 0.1 0.1 0.9\n", "the row has 6 numbers"),
        ("dog 0.5 0.5 0.1 0.1\n", "contains something other than numbers"),
        ("1 nan 0.5 0.1 0.1\n", "a number that is not finite"),
        ("1 0.5 inf 0.1 0.1\n", "a number that is not finite"),
        ("1 0.1 0.1 nan 0.2 0.3 0.3\n", "a number that is not finite"),
        ("1 0.5 0.5 0 0.1\n", "has no width"),
        ("1 0.5 0.5 0.1 0\n", "has no height"),
        ("1 0.5 0.5 -0.1 0.1\n", "ends before it begins"),
        ("1 1.5 0.5 0.1 0.1\n", "lies outside the image of 40 × 20 pixels"),
        ("1 20 10 20 10\n", "the row is in pixels"),
    ],
)
def test_objects_that_cannot_be_used_are_named_by_their_row(tmp_path, rows, said):
    folder = dataset(tmp_path, rows=ROW + rows)
    message = problem(yolo(folder))
    assert message.startswith("labels/train/0.txt:2: ")
    assert said in message
    assert "data.on_bad_row=skip" in message
    splits = load(yolo(folder, on_bad_row="skip"))
    assert boxes(splits)["images/train/0.png"] == [BOX]
    assert any(each.count == 1 and each.places == ("labels/train/0.txt:2",) for each in splits.findings)


def test_an_image_without_a_usable_object_is_not_one_without_objects(tmp_path):
    folder = dataset(tmp_path, rows="7 0.5 0.5 0.1 0.1\n")
    splits = load(yolo(folder, on_bad_row="skip"))
    assert len(splits.train) == 2
    assert found(splits, "no_usable_object") == (1, ("images/train/0.png",))
    assert found(splits, "unknown_class") == (1, ("labels/train/0.txt:1",))


def test_boxes_beyond_the_image_are_clipped_and_counted(tmp_path):
    splits = load(yolo(dataset(tmp_path, rows="1 0.0 0.5 0.5 0.5\n0 0.5 0.5 1.0001 1\n")))
    assert boxes(splits)["images/train/0.png"] == [("dog", (0, 5, 10, 15)), ("cat", (0, 0, 40, 20))]
    assert found(splits, "box_clipped") == (1, ("labels/train/0.txt:1",))


def test_repeated_objects_count_once(tmp_path):
    splits = load(yolo(dataset(tmp_path, rows=ROW * 3)))
    assert boxes(splits)["images/train/0.png"] == [BOX]
    assert found(splits, "duplicate_object") == (2, ("labels/train/0.txt:2", "labels/train/0.txt:3"))


def test_images_without_a_label_file(tmp_path):
    folder = dataset(tmp_path)
    (folder / "labels/train/1.txt").unlink()
    splits = load(yolo(folder))
    assert boxes(splits)["images/train/1.png"] == []
    assert found(splits, "background") == (1, ("images/train/1.png",))
    assert "images/train/1.png: the image has no annotations." in problem(yolo(folder, unlabelled_images="error"))
    splits = load(yolo(folder, unlabelled_images="skip"))
    assert len(splits.train) == 2
    assert found(splits, "not_labelled") == (1, ("images/train/1.png",))


def test_without_any_label_file_the_expected_place_is_named(tmp_path):
    folder = dataset(tmp_path)
    (folder / "labels").rename(folder / "annotations")
    assert f"For example, {folder / 'labels/train/0.txt'} does not exist" in problem(yolo(folder))


def test_label_files_without_an_image(tmp_path):
    folder = dataset(tmp_path)
    write(folder / "labels/train/lost.txt", ROW)
    write(folder / "labels/train/classes.txt", "cat\ndog\n")
    write(folder / "labels/train/deeper/lost.txt", ROW)
    message = problem(yolo(folder))
    assert "labels/train/lost.txt: there is no image for the label file (2 such images" in message
    assert found(load(yolo(folder, on_bad_row="skip")), "label_without_image")[0] == 2


def test_unreadable_images_and_copies_across_splits(tmp_path):
    folder = dataset(tmp_path)
    (folder / "images/train/0.png").write_bytes(b"no image")
    (folder / "images/train/1.png").write_bytes(b"")
    picture(folder / "images/train/2.png", seed=100)
    message = problem(yolo(folder))
    assert "images/train/0.png: the file is not an image" in message
    assert "images/train/1.png: the file is empty" in message
    splits = load(yolo(folder, on_bad_row="skip"))
    assert found(splits, "duplicates_across_splits") == (1, ("images/val/0.png = images/train/2.png",))


def test_the_shape_is_that_of_the_upright_image(tmp_path):
    folder = dataset(tmp_path)
    picture(folder / "images/train/0.png", seed=5, orientation=6)
    splits = load(yolo(folder))
    assert splits.train[0].size == (20, 40)
    assert boxes(splits)["images/train/0.png"] == [("dog", (5.0, 10.0, 15.0, 30.0))]


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("names: [a, b", "data.yaml:1: is not valid YAML"),
        ("- a\n", "does not describe a data set"),
        ("train: images/train\n", "has no names"),
        ("names: [a, b]\n", "has no train"),
        ("train: images/train\nnames: [a, a]\n", "several classes with the same name: a"),
        ("train: images/train\nnames: [a, b]\nnc: 3\n", "has nc: 3, but 2 names"),
        ("train: images/train\nnames: {x: a}\n", "a name that cannot be used"),
        ("train: images/train\nval: gone\nnames: [a, b]\n", "val: there is no folder or file gone"),
        ("train: !!python/object/apply:os.system [ls]\nnames: [a]\n", "is not valid YAML"),
    ],
)
def test_a_data_yaml_that_cannot_be_used(tmp_path, yaml, said):
    assert said in problem(yolo(dataset(tmp_path, yaml=yaml)))


def test_a_missing_test_split_is_taken_from_the_training_images(tmp_path):
    folder = dataset(tmp_path, yaml="train: images/train\nval: images/val\ntest: gone\nnames: [cat, dog]")
    assert "no_test_split" in codes(load(yolo(folder)))


def test_folders_without_a_yaml(tmp_path):
    for number in range(12):
        picture(tmp_path / f"images/{number}.png", seed=number)
        write(tmp_path / f"labels/{number}.txt", ROW)
    assert "data.names=[cat,dog]" in problem(yolo(tmp_path))
    splits = load(yolo(tmp_path, names=["cat", "dog"]))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [9, 1, 2]
    write(tmp_path / "classes.txt", "mouse\nhorse\n")
    assert load(yolo(tmp_path)).labels == ("mouse", "horse")
    (tmp_path / "images").rename(tmp_path / "pictures")
    moved = load(yolo(tmp_path, images=str(tmp_path / "pictures")))
    assert len(moved.train) == 9
    assert moved.train[0].target.corners == ((10.0, 5.0, 30.0, 15.0),)


@pytest.mark.parametrize("layout", ["{part}/images/{n}.png", "images/{part}/{n}.png"])
def test_folders_of_splits_without_a_yaml(tmp_path, layout):
    for at, part in enumerate(("train", "valid", "test")):
        for number in range(2):
            path = layout.format(part=part, n=number)
            picture(tmp_path / path, seed=10 * at + number)
            write(tmp_path / path.replace("images", "labels").replace(".png", ".txt"), ROW)
    splits = load(yolo(tmp_path, names=["cat", "dog"]))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [2, 2, 2]


def test_a_path_that_does_not_exist_offers_the_nearest(tmp_path):
    dataset(tmp_path / "cells")
    assert f"Did you mean '{tmp_path / 'cells'}'?" in problem(yolo(tmp_path / "cell"))


def test_few_images_need_not_show_every_label_in_training(tmp_path):
    for number in range(4):
        picture(tmp_path / f"images/{number}.png", seed=number)
        write(tmp_path / f"labels/{number}.txt", f"{number} 0.5 0.5 0.5 0.5\n")
    splits = load(yolo(tmp_path, names=list("abcd")))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [2, 1, 1]
    assert "labels_missing_from_train" in codes(splits)
