"""Read annotations from XML files, one per image, as written by Pascal VOC and many tools.

Boxes are xmin, ymin, xmax, ymax in pixels; xmax is the right edge. `difficult` objects are marked as crowds, so
detecting them counts neither as correct nor as wrong.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.contracts import SplitOptions, Splits
from core.data import SHOWN, TEST, TRAIN, UNDECIDED, VAL
from core.data.files import SPLIT_NAMES
from core.errors import DataError, Problem
from core.issues import DataIssue
from core.tasks import Corners, Task
from plugins.data.boxes import annotations as boxes_annotations
from plugins.data.boxes import files, safe_xml
from plugins.data.boxes.annotations import Annotated, StatedObject
from plugins.data.boxes.faults import image_fault, object_fault
from plugins.data.boxes.safe_xml import BrokenXmlError, Element

_LISTS = (("train", TRAIN), ("val", VAL), ("test", TEST), ("trainval", UNDECIDED))
_IMAGES = ("JPEGImages", "images", "Images")
_EDGES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class VocFiles:
    """Paths of a Pascal VOC data set.

    Attributes:
        path: The folder.
        images: The folder of images, or empty.
        first_pixel: The number of the first pixel: 0 or 1.
        root: The folder that images must lie in, or empty.
    """

    path: str
    images: str = ""
    first_pixel: int = 0
    root: str = ""


def load_voc(given: VocFiles, options: SplitOptions, task: Task, seed: int) -> Splits:
    """Read annotations and images into splits; see `DataAdapter.load`."""
    found, findings = annotated(given)
    base = Path(given.path).expanduser().absolute()
    return boxes_annotations.load_boxes(found, None, f"{base.name} (Pascal VOC)", findings, options, task, seed)


def annotated(given: VocFiles) -> tuple[list[Annotated], list[DataIssue]]:
    """Return all images of a data set, and issues about it.

    Raises:
        DataError: There is no such folder, or it contains no annotations.
    """
    base = files.folder("data.path", given.path)
    found, findings = [], list[DataIssue]()
    for split, folder in _folders(base):
        reader = _Reader(base, folder, given)
        chosen = reader.chosen(split)
        found += [reader.read(stem, part) for stem, part in chosen]
        findings += reader.findings({stem for stem, _ in chosen})
    if not found:
        cure = "It needs a folder Annotations with XML files, or XML files beside their images."
        raise DataError(Problem("data.path", f"{base} contains no annotations.", cure))
    return found, findings


def _folders(base: Path) -> list[tuple[int, Path]]:
    """Return the folders of a data set: the folder itself, or one per split as some tools export them."""
    if (base / "Annotations").is_dir() or files.listed(base, (".xml",)):
        return [(UNDECIDED, base)]
    names = sorted(each for each in os.listdir(base) if each.lower() in SPLIT_NAMES and (base / each).is_dir())
    return [(SPLIT_NAMES[each.lower()], base / each) for each in names]


class _Reader:
    """The annotations and images of one folder, by file stem."""

    def __init__(self, base: Path, folder: Path, given: VocFiles) -> None:
        self._base, self._folder, self._first = base, folder, given.first_pixel
        inner = folder / "Annotations"
        self._xml = {each.stem: each for each in files.walk(inner if inner.is_dir() else folder, (".xml",))}
        images = files.folder("data.images", given.images) if given.images else self._image_folder()
        self._root = os.path.realpath(given.root or images)
        self._named = {each.name: each for each in files.walk(images)}
        self._images = {each.stem: each for each in reversed(self._named.values())}

    def chosen(self, split: int) -> list[tuple[str, int]]:
        """Return file stems with their splits: those listed in ImageSets/Main, else all."""
        lists = {part: self._folder / "ImageSets" / "Main" / f"{name}.txt" for name, part in _LISTS}
        if lists[TRAIN].is_file():
            del lists[UNDECIDED]
        given = {part: path for part, path in lists.items() if path.is_file()}
        if split != UNDECIDED or not ({TRAIN, UNDECIDED} & given.keys()):
            shown = {self._stem_shown(each) for each in self._xml}
            return [(each, split) for each in sorted(self._xml.keys() | (self._images.keys() - shown))]
        return [(line.split()[0], part) for part, path in given.items() for _, line in files.lines(path)]

    def read(self, stem: str, split: int) -> Annotated:
        """Return one image with its objects."""
        xml, image = self._xml.get(stem), self._images.get(stem)
        if xml is None:
            if image is None:
                message = f"{stem!r} is listed, but has neither an image nor annotations"
                return Annotated(None, stem, split=split, fault=image_fault("missing_annotation", message))
            return Annotated(image, files.relative_name(image, self._base), None, split, root=self._root)
        name = files.relative_name(xml, self._base)
        try:
            top = safe_xml.parse(xml)
        except BrokenXmlError as error:
            where = f"{name}:{error.line}" if error.line else name
            return Annotated(None, where, split=split, fault=image_fault("broken_annotation", error.message))
        except OSError as error:
            message = f"the file cannot be read ({error.strerror or error})"
            return Annotated(None, name, split=split, fault=image_fault("broken_annotation", message))
        named = self._named.get(_last(top.text_of("filename")))
        image = named if image is None or (named is not None and named.stem == stem) else image
        if image is None:
            wanted = top.text_of("filename") or f"{stem}.jpg"
            message = f"there is no image {wanted} for the annotations"
            return Annotated(None, name, split=split, fault=image_fault("label_without_image", message))
        if top.name != "annotation":
            message = f"the file contains <{top.name}>, not <annotation>"
            return Annotated(None, name, split=split, fault=image_fault("broken_annotation", message))
        objects = tuple(_object(each, name, self._first) for each in top.all("object"))
        place = files.relative_name(image, self._base)
        return Annotated(image, place, objects, split, stated=_size(top), root=self._root)

    def findings(self, used: set[str]) -> Iterator[DataIssue]:
        """Yield an issue about annotations that no list names."""
        others = sorted(self._xml.keys() - used)
        if others:
            message = f"{len(others):,} annotated images are in no list in ImageSets/Main, and are not used."
            places = tuple(files.relative_name(self._xml[each], self._base) for each in others[:SHOWN])
            yield DataIssue("in_no_list", message, len(others), places)

    def _image_folder(self) -> Path:
        for each in _IMAGES:
            if (self._folder / each).is_dir():
                return self._folder / each
        return self._folder

    def _stem_shown(self, stem: str) -> str:
        """Return the stem of the annotated image: the annotation's stem, or that of the file it names."""
        if stem in self._images:
            return stem
        try:
            named = self._named.get(_last(safe_xml.parse(self._xml[stem]).text_of("filename")))
        except (BrokenXmlError, OSError):
            return stem
        return stem if named is None else named.stem


def _last(path: str) -> str:
    """Return the last part of a path of any operating system. Annotations often contain old paths."""
    return path.replace("\\", "/").rpartition("/")[2]


def _size(top: Element) -> tuple[int, int]:
    """Return the stated width and height; (0, 0) if there are none."""
    try:
        width, height = (int(float(top.text_of("size", each))) for each in ("width", "height"))
    except (ValueError, OverflowError):
        return 0, 0
    return (width, height) if width > 0 and height > 0 else (0, 0)


def _object(element: Element, name: str, first: int) -> StatedObject:
    label = element.text_of("name")
    place = f"{name}:{element.line}"
    nowhere = (0.0, 0.0, 0.0, 0.0)
    if not label:
        return StatedObject("", nowhere, place, fault=object_fault("unknown_class", "the object has no name"))
    try:
        x1, y1, x2, y2 = (float(element.text_of("bndbox", each)) for each in _EDGES)
    except ValueError:
        message = f"the object {label!r} has no box of four numbers (bndbox)"
        return StatedObject(label, nowhere, place, fault=object_fault("bad_box", message))
    corners: Corners = (x1 - first, y1 - first, x2, y2)
    return StatedObject(label, corners, place, element.text_of("difficult") == "1")
