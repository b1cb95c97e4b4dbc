"""Pascal VOC annotations: splits, labels, boxes, turned images, and every problem of a file.

Covers: plugins/data/boxes/files.py, plugins/data/boxes/orientation.py, plugins/data/boxes/safe_xml.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from box_files import boxes, codes, found, load, picture, problem, write
from PIL import Image

from core.images.reading import open_image
from plugins.data.adapters.detection import Voc


def xml(objects: str = "", size: tuple[int, int] | None = (40, 20), file: str = "0.jpg") -> str:
    stated = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    return f"<annotation>\n<filename>{file}</filename>\n{stated}\n{objects}</annotation>\n"


def thing(x1="10", y1="5", x2="30", y2="15", name="dog", more="") -> str:
    corners = f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
    return f"<object><name>{name}</name>{more}<bndbox>{corners}</bndbox></object>\n"


def dataset(folder: Path, text: str | None = None, images: str = "JPEGImages", lists: bool = True) -> Path:
    """Nine images, three a split; the first has `text` for annotations."""
    for number in range(9):
        picture(folder / images / f"{number}.png", seed=number)
        name = ("dog", "cat")[number % 2]
        write(folder / f"Annotations/{number}.xml", text if number == 0 and text is not None else xml(thing(name=name)))
    for at, part in enumerate(("train", "val", "test")) if lists else ():
        write(folder / f"ImageSets/Main/{part}.txt", "".join(f"{3 * at + n}\n" for n in range(3)))
    return folder


def voc(folder: Path, **options) -> Voc:
    return Voc(path=str(folder), **options)


def test_splits_labels_and_boxes(tmp_path):
    splits = load(voc(dataset(tmp_path)))
    assert splits.labels == ("cat", "dog")
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [3, 3, 3]
    assert boxes(splits)["JPEGImages/4.png"] == [("dog", (10, 5, 30, 15))]
    assert not splits.findings


@pytest.mark.parametrize("images", ["JPEGImages", "images", "."])
def test_without_split_files_the_data_is_split(tmp_path, images):
    splits = load(voc(dataset(tmp_path, images=images, lists=False)))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [6, 1, 2]


def test_trainval_is_split_and_test_is_kept(tmp_path):
    folder = dataset(tmp_path, lists=False)
    write(folder / "ImageSets/Main/trainval.txt", "".join(f"{n} 1\n" for n in range(6)))
    write(folder / "ImageSets/Main/test.txt", "6\n7\n")
    splits = load(voc(folder))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [5, 1, 2]
    assert found(splits, "in_no_list") == (1, ("Annotations/8.xml",))


def test_a_folder_for_each_split(tmp_path):
    for at, part in enumerate(("train", "valid", "test")):
        for number in range(2):
            picture(tmp_path / part / f"{number}.png", seed=10 * at + number)
            write(tmp_path / part / f"{number}.xml", xml(thing() + thing(name="cat", x1="0")))
    splits = load(voc(tmp_path))
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [2, 2, 2]


def test_difficult_objects_are_crowds_and_no_object_is_an_answer(tmp_path):
    folder = dataset(tmp_path, xml(thing(more="<difficult>1</difficult>") + thing(x1="0")))
    assert load(voc(folder)).train[0].target.crowd == (True, False)
    assert boxes(load(voc(dataset(tmp_path, xml()))))["JPEGImages/0.png"] == []


def test_pixels_counted_from_one(tmp_path):
    splits = load(voc(dataset(tmp_path), first_pixel=1))
    assert splits.train[0].target.corners == ((9.0, 4.0, 30.0, 15.0),)


def test_the_image_may_have_another_name_than_the_annotations(tmp_path):
    folder = dataset(tmp_path, xml(thing(), file=r"C:\photos\other.png"), lists=False)
    (folder / "JPEGImages/0.png").rename(folder / "JPEGImages/other.png")
    assert boxes(load(voc(folder)))["JPEGImages/other.png"] == [("dog", (10, 5, 30, 15))]


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        (thing(x1="30"), "(30 5 30 15) has no width"),
        (thing(x1="31"), "ends before it begins"),
        (thing(x1="50", x2="60"), "lies outside the image of 40 × 20 pixels"),
        (thing(x1="nan"), "a number that is not finite"),
        (thing(x1="left"), "'dog' has no box of four numbers"),
        ("<object><name>dog</name><polygon/></object>\n", "'dog' has no box of four numbers"),
        (thing(name=""), "the object has no name"),
    ],
)
def test_objects_that_cannot_be_used_are_named_by_their_line(tmp_path, objects, expected):
    folder = dataset(tmp_path, xml(thing() + objects))
    message = problem(voc(folder))
    assert message.startswith("Annotations/0.xml:5: ")
    assert expected in message
    splits = load(voc(folder, on_bad_row="skip"))
    assert boxes(splits)["JPEGImages/0.png"] == [("dog", (10, 5, 30, 15))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "Annotations/0.xml: the file is empty"),
        ("<annotation>\n<object>", "Annotations/0.xml:2: the file is not well-formed XML"),
        ("<plist/>", "the file contains <plist>, not <annotation>"),
        ('<?xml version="1.0" encoding="klingon"?><annotation/>', "Annotations/0.xml"),
        (xml(thing(), size=(80, 40)), "are for 80 × 40 pixels, the image has 40 × 20"),
        (xml(thing(), size=(20, 40)), "are for 20 × 40 pixels, the image has 40 × 20"),
    ],
)
def test_annotations_that_cannot_be_used(tmp_path, text, expected):
    folder = dataset(tmp_path, text)
    assert expected in problem(voc(folder))
    assert len(load(voc(folder, on_bad_row="skip")).train) == 2


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE annotation SYSTEM "http://example.com/a.dtd">',
    ],
)
def test_a_document_type_is_refused(tmp_path, declared):
    message = problem(voc(dataset(tmp_path, f"<?xml version='1.0'?>\n{declared}\n{xml(thing(name='&x;'))}")))
    assert "Annotations/0.xml:2: the file declares a document type" in message


def test_a_size_of_zero_states_nothing(tmp_path):
    assert not load(voc(dataset(tmp_path, xml(thing(), size=(0, 0))))).findings


def test_missing_images_and_missing_annotations(tmp_path):
    folder = dataset(tmp_path)
    (folder / "JPEGImages/1.png").unlink()
    (folder / "Annotations/2.xml").unlink()
    write(folder / "ImageSets/Main/train.txt", "0\n1\n2\nghost\n")
    message = problem(voc(folder))
    assert "Annotations/1.xml: there is no image 0.jpg for the annotations" in message
    assert "JPEGImages/2.png: the image has no annotations" in message
    assert "ghost: 'ghost' is listed, but has neither an image nor annotations" in message
    splits = load(voc(folder, on_bad_row="skip"))
    assert len(splits.train) == 1
    assert {"label_without_image", "not_labelled", "missing_annotation"} <= codes(splits)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("stored", [True, False])
def test_boxes_of_the_stored_image_are_turned_with_it(tmp_path, orientation, stored):
    """A white rectangle on black, drawn in the stored image, is where the box says in the upright one."""
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[2:8, 5:25] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    folder = dataset(tmp_path)
    path = folder / "JPEGImages/0.png"
    Image.fromarray(pixels).save(path, exif=exif)
    white = np.argwhere(np.asarray(open_image(path))[:, :, 0] > 0)
    (y1, x1), (y2, x2) = white.min(axis=0), white.max(axis=0) + 1
    upright = (float(x1), float(y1), float(x2), float(y2))
    corners = [5, 2, 25, 8] if stored else upright
    size = (40, 20) if stored else (20, 40)
    write(folder / "Annotations/0.xml", xml(thing(*map(str, corners)), size=size))
    splits = load(voc(folder))
    assert splits.train[0].target.corners == (upright,)
    assert ("turned_boxes" in codes(splits)) == stored


def test_a_folder_without_annotations(tmp_path):
    assert "contains no annotations" in problem(voc(tmp_path))
