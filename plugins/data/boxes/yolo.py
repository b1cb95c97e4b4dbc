"""Read annotations from text files, one per image, as in YOLO: `class x y w h`, or a class and a polygon.

Numbers are shares of the width and height of the upright image. The text file of `…/images/…/1.jpg` is
`…/labels/…/1.txt`, or lies beside the image if no folder is called images. An empty file means no object.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.contracts import SplitOptions, Splits
from core.data import UNDECIDED
from core.data.files import SPLIT_NAMES
from core.errors import DataError, Problem
from core.issues import RowIssue
from core.tasks import Corners, Task
from plugins.data.boxes import annotations as boxes_annotations
from plugins.data.boxes import files, yolo_config
from plugins.data.boxes.annotations import Annotated, StatedObject
from plugins.data.boxes.faults import image_fault, note, object_fault
from plugins.data.boxes.yolo_config import YoloConfig

_PIXELS = 2.0
"""A number above this is in pixels, not a share."""
_NO_LABELS = ("classes.txt", "train.txt", "val.txt", "test.txt", "README.txt", "obj.names")
_UNLABELED: Mapping[str, RowIssue | None] = {
    "background": note(
        "background", "the image has no label file; it is taken to show no object (data.unlabelled_images)", "image"
    ),
    "skip": RowIssue("not_labelled", "the image has no label file", level="blank", what="image"),
    "error": None,
}


@dataclass(frozen=True)
class YoloFiles:
    """Paths and options of a YOLO data set.

    Attributes:
        path: A data.yaml, or a folder.
        images: The folder of images, or empty.
        names: Label names, or none.
        unlabeled: How to treat an image without a label file: `background`, `error` or `skip`.
        root: The folder that images must lie in, or empty.
    """

    path: str
    images: str = ""
    names: tuple[str, ...] = ()
    unlabeled: str = "background"
    root: str = ""


def load_yolo(given: YoloFiles, options: SplitOptions, task: Task, seed: int) -> Splits:
    """Read annotations and images into splits; see `DataAdapter.load`."""
    config = configured(given)
    found = annotated(config, given)
    names = [config.names[number] for number in sorted(config.names)]
    return boxes_annotations.load_boxes(
        found, names, f"{config.base.name} (YOLO)", config.findings, options, task, seed
    )


def annotated(config: YoloConfig, given: YoloFiles) -> list[Annotated]:
    """Return all images of a data set, followed by label files without an image.

    Raises:
        DataError: There are no images, or no label files.
    """
    reader = _Reader(config, given)
    found = [each for split, part in config.parts for each in reader.part(split, part)]
    if not found:
        where = ", ".join(str(part) for _, part in config.parts)
        raise DataError(
            Problem("data.path", f"there is no image in {where}.", "Set data.images=FOLDER, or correct the data.yaml.")
        )
    if not reader.labeled:
        first = next((each.image for each in found if each.image is not None), None)
        wanted = "" if first is None else f" For example, {reader.label_file(first)} does not exist."
        message = f"none of {len(found):,} images has a label file.{wanted}"
        raise DataError(
            Problem("data.path", message, "Label files belong in a folder labels beside the folder images.")
        )
    return found + list(reader.orphans())


def configured(given: YoloFiles) -> YoloConfig:
    """Return the data set that the options name."""
    path = Path(given.path).expanduser().absolute()
    if path.is_file():
        return _renamed(yolo_config.read(path), given)
    path = files.folder("data.path", given.path)
    found = yolo_config.find(path)
    return _plain(path, given) if found is None else _renamed(yolo_config.read(found), given)


def _renamed(config: YoloConfig, given: YoloFiles) -> YoloConfig:
    if given.images:
        cure = "Leave it out, or use data.path=FOLDER without a data.yaml."
        raise DataError(Problem("data.images", "the data.yaml names the folders of images already.", cure))
    names = dict(enumerate(given.names)) if given.names else config.names
    return YoloConfig(config.base, names, config.parts, config.findings)


def _plain(path: Path, given: YoloFiles) -> YoloConfig:
    """Read folders images and labels without a data.yaml. Folders train, val and test in or above them are splits."""
    classes = path / "classes.txt"
    names = given.names or (tuple(line for _, line in files.lines(classes)) if classes.is_file() else ())
    if not names:
        message = f"{path} contains neither a data.yaml nor a classes.txt, so the labels have no names."
        raise DataError(Problem("data.names", message, "Set data.names=[cat,dog], in the order of their numbers."))
    if len(set(names)) < len(names):
        raise DataError(
            Problem("data.names", "several classes have the same name.", "Give each class a different name.")
        )
    images = files.folder("data.images", given.images) if given.images else path / "images"
    parts = _split_folders(images) or [
        (split, each / "images") for split, each in _split_folders(path) if (each / "images").is_dir()
    ]
    if not parts:
        parts = [(UNDECIDED, images if images.is_dir() else path)]
    return YoloConfig(path, dict(enumerate(names)), tuple(parts))


def _split_folders(path: Path) -> list[tuple[int, Path]]:
    names = sorted(os.listdir(path)) if path.is_dir() else []
    return [(SPLIT_NAMES[each.lower()], path / each) for each in names if each.lower() in SPLIT_NAMES]


class _Reader:
    def __init__(self, config: YoloConfig, given: YoloFiles) -> None:
        self._base, self._names, self._given = config.base, config.names, given
        self._elsewhere = Path(given.images).expanduser().absolute() if given.images else None
        self._pairs: dict[Path, Path] = {}
        self.labeled = 0

    def part(self, split: int, path: Path) -> Iterator[Annotated]:
        """Yield the images of a folder, or those listed in a text file."""
        if path.is_dir():
            root = os.path.realpath(self._given.root or path)
            labels = self.label_file(path / "_").parent
            for each in files.walk(labels, (".txt",)):
                self._pairs.setdefault(each.parent, path / each.parent.relative_to(labels))
            for each in files.walk(path):
                yield self._image(each, files.relative_name(each, self._base), split, root)
            return
        root = os.path.realpath(self._given.root or self._base)
        for number, line in files.lines(path):
            found = [start / line for start in (self._base, path.parent)]
            image = next((each for each in found if each.is_file()), found[0])
            yield self._image(image, f"{files.relative_name(path, self._base)}:{number}", split, root)

    def label_file(self, image: Path) -> Path:
        """Return the path of an image's label file."""
        if self._elsewhere is not None and image.is_relative_to(self._elsewhere):
            return (self._base / "labels" / image.relative_to(self._elsewhere)).with_suffix(".txt")
        parts = list(image.parts)
        at = len(parts) - 1 - parts[::-1].index("images") if "images" in parts[:-1] else -1
        if at >= 0:
            parts[at] = "labels"
        return Path(*parts).with_suffix(".txt")

    def orphans(self) -> Iterator[Annotated]:
        """Yield label files whose images are missing, in all folders that were read."""
        for labels, images in sorted(self._pairs.items()):
            stems = {each.stem for each in files.listed(images)}
            for each in files.listed(labels, (".txt",)):
                if each.stem not in stems and each.name not in _NO_LABELS:
                    fault = image_fault("label_without_image", "there is no image for the label file")
                    yield Annotated(None, files.relative_name(each, self._base), fault=fault)

    def _image(self, image: Path, place: str, split: int, root: str) -> Annotated:
        labels = self.label_file(image)
        self._pairs.setdefault(labels.parent, image.parent)
        try:
            rows = list(files.lines(labels))
        except FileNotFoundError:
            fault = _UNLABELED[self._given.unlabeled]
            objects: tuple[StatedObject, ...] | None = None if fault is None else ()
            return Annotated(image, place, objects, split, root=root, relative=True, fault=fault)
        except OSError as error:
            message = f"its label file {labels} cannot be read ({error.strerror or error})"
            return Annotated(None, place, split=split, fault=image_fault("broken_annotation", message))
        self.labeled += 1
        name = files.relative_name(labels, self._base)
        found = tuple(_object(line, f"{name}:{number}", self._names) for number, line in rows)
        return Annotated(image, place, found, split, root=root, relative=True)


def _object(line: str, place: str, names: Mapping[int, str]) -> StatedObject:
    """Return the object of one row: a class with the center, width and height of its box, or with a polygon."""
    try:
        number, *values = (float(each) for each in line.split())
    except ValueError:
        return _bad(place, "bad_box", f"the row {line[:60]!r} contains something other than numbers")
    polygon = len(values) >= 6 and len(values) % 2 == 0
    if len(values) != 4 and not polygon:
        message = f"the row has {len(values) + 1} numbers, not a class and a box (5) or a polygon (7, 9, …)"
        return _bad(place, "bad_box", message)
    label = names.get(int(number)) if number.is_integer() else None
    if label is None:
        message = f"the class {number:g} is not one of the {len(names)} names ({min(names)} to {max(names)})"
        return _bad(place, "unknown_class", message)
    if any(abs(each) > _PIXELS for each in values if math.isfinite(each)):
        return _bad(place, "not_normalized", "the row is in pixels, not in shares of the image's width and height")
    return StatedObject(label, _hull(values) if polygon else _corners(values), place)


def _corners(values: Sequence[float]) -> Corners:
    x, y, width, height = values
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _hull(values: Sequence[float]) -> Corners:
    """Return the bounding box of a polygon; NaN if one of its corners is NaN."""
    if not all(map(math.isfinite, values)):
        return math.nan, math.nan, math.nan, math.nan
    return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])


def _bad(place: str, code: str, message: str) -> StatedObject:
    return StatedObject("", (0.0, 0.0, 0.0, 0.0), place, fault=object_fault(code, message))
