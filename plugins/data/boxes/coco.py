"""Read annotations from a JSON file in the format of COCO instances: boxes are x, y, width, height in pixels.

Images without an annotation show no object. Segmentations are ignored. All categories are labels, in the order of their
numbers, even if they never occur.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.contracts import SplitOptions, Splits
from core.data import NAMES, UNDECIDED, files
from core.errors import DataError, Problem
from core.tasks import Task
from plugins.data.boxes import annotations as boxes_annotations
from plugins.data.boxes import files as boxes_files
from plugins.data.boxes.annotations import Annotated, StatedObject
from plugins.data.boxes.coco_images import Images
from plugins.data.boxes.coco_json import Instances, read
from plugins.data.boxes.faults import image_fault, object_fault

_NOWHERE = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class CocoFiles:
    """Paths of a COCO data set.

    Attributes:
        path: A JSON file or a folder, or empty.
        train, val, test: JSON files, or empty.
        images: The folder of images, or empty.
        root: The folder that images must lie in, or empty.
    """

    path: str = ""
    train: str = ""
    val: str = ""
    test: str = ""
    images: str = ""
    root: str = ""


def load_coco(given: CocoFiles, options: SplitOptions, task: Task, seed: int) -> Splits:
    """Read annotations and images into splits; see `DataAdapter.load`."""
    found, names = annotated(given)
    base = Path(given.path or given.train).expanduser().absolute()
    return boxes_annotations.load_boxes(found, names, f"{base.name} (COCO)", (), options, task, seed)


def annotated(given: CocoFiles) -> tuple[list[Annotated], list[str]]:
    """Return all images of a data set, and the label names in order.

    Raises:
        DataError: A file does not exist, is not JSON, or is incomplete; or two files name categories differently.
    """
    parts = [(split, path, read(path, boxes_files.relative_name(path, base))) for base, split, path in _files(given)]
    names = _names(parts)
    found = []
    for split, path, instances in parts:
        images = Images(path, split, given.images, given.root, [each.file for each in instances.images.values()])
        found += list(_part(instances, images, split, names))
    if not found:
        raise DataError(Problem(str(parts[0][1]), "lists no images.", "Its `images` must list them."))
    return found, [names[number] for number in sorted(names)]


def _files(given: CocoFiles) -> Iterator[tuple[Path, int, Path]]:
    """Yield the base folder for messages, the split and the path of each JSON file."""
    if not given.path:
        for split, name in enumerate(NAMES):
            for path in files.find(f"data.{name}", asked) if (asked := getattr(given, name)) else ():
                yield path.absolute().parent, split, path.absolute()
        return
    base = Path(given.path).expanduser().absolute()
    if not base.is_dir():
        (path, *_) = files.find("data.path", given.path)
        yield path.absolute().parent, UNDECIDED, path.absolute()
        return
    found = [path for folder in _folders(base) for path in boxes_files.listed(folder, (".json",))]
    found = [path for path in found if path.stem.startswith("instances")] or found
    splits = [_split(path, base) for path in found]
    named = [(split, path) for split, path in zip(splits, found, strict=True) if split != UNDECIDED]
    if not found:
        cure = "Pass the JSON file itself, or the folder that contains it."
        raise DataError(Problem("data.path", f"{base} contains no JSON file.", cure))
    if len(found) > 1 and not any(NAMES[split] == "train" for split, _ in named):
        names = ", ".join(boxes_files.relative_name(path, base) for path in found[:5])
        cure = "data.train=FILE data.val=FILE data.test=FILE"
        raise DataError(Problem("data.path", f"cannot tell which of {names} is the training split.", cure))
    for split, path in named if len(found) > 1 else [(splits[0], found[0])]:
        yield base, split, path


def _folders(base: Path) -> list[Path]:
    splits = sorted(each for each in os.listdir(base) if each.lower() in files.SPLIT_NAMES)
    return [base, base / "annotations", *(base / each for each in splits)]


def _split(path: Path, base: Path) -> int:
    """Return the split named by a file's name, or by its folder below `base`."""
    split = files.split_of(path.stem)
    if split == UNDECIDED and path.parent != base:
        split = files.split_of(path.parent.name)
    return split


def _names(parts: Sequence[tuple[int, Path, Instances]]) -> dict[int, str]:
    """Return the categories of all files by number."""
    names: dict[int, str] = {}
    for _, path, instances in parts:
        for number, name in instances.categories.items():
            if names.setdefault(number, name) != name:
                message = f"the category {number} is {name!r} here, but {names[number]!r} in another file."
                raise DataError(Problem(str(path), message, "The files of one data set must agree."))
    repeated = sorted({name for name in names.values() if list(names.values()).count(name) > 1})
    if repeated:
        message = f"several categories have the same name: {', '.join(repeated)}."
        raise DataError(Problem(str(parts[0][1]), message, "Give each category a different name."))
    return names


def _part(instances: Instances, images: Images, split: int, names: Mapping[int, str]) -> Iterator[Annotated]:
    """Yield the images of one file, then annotations whose image is not in the file."""
    objects: dict[int, list[StatedObject]] = {number: [] for number in instances.images}
    for at, entry in enumerate(instances.annotations):
        place = f"{instances.name}:annotations[{at}]"
        number = entry.get("image_id") if isinstance(entry, dict) else None
        if not isinstance(number, int | str) or number not in objects:
            message = f"the annotation is for image {number!r}, which `images` does not list"
            yield Annotated(None, place, split=split, fault=image_fault("unknown_image", message))
        else:
            objects[number].append(_object(entry, place, names))
    for number, image in instances.images.items():
        path, fault = images.find(image.file)
        place = f"{instances.name}:{image.place}" if path is None else boxes_files.relative_name(path, instances.base)
        yield Annotated(
            path, place, tuple(objects[number]), split, stated=image.size, root=images.root, fault=image.fault or fault
        )


def _object(entry: Mapping[str, Any], place: str, names: Mapping[int, str]) -> StatedObject:
    number, box = entry.get("category_id"), entry.get("bbox")
    label = names.get(number) if isinstance(number, int) else None
    if label is None:
        message = f"the category {number!r} is not one of the {len(names)} categories"
        return StatedObject("", _NOWHERE, place, fault=object_fault("unknown_class", message))
    broken = object_fault("bad_box", f"`bbox` of {label!r} is not four numbers")
    if not isinstance(box, list) or len(box) != 4 or any(isinstance(each, bool | str) for each in box):
        return StatedObject(label, _NOWHERE, place, fault=broken)
    try:
        x, y, width, height = (float(each) for each in box)
    except (TypeError, ValueError, OverflowError):
        return StatedObject(label, _NOWHERE, place, fault=broken)
    return StatedObject(label, (x, y, x + width, y + height), place, bool(entry.get("iscrowd")))
