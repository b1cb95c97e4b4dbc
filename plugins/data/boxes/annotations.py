"""Turn annotated images of any format into splits. Objects are checked against their images; issues are counted."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.contracts import SplitOptions, Splits
from core.data import UNDECIDED, Row, Source, build_splits
from core.issues import DataIssue, RowIssue
from core.tasks import BoxExample, Corners, NamedBox, Task
from plugins.data.boxes import faults, files, orientation
from plugins.data.boxes.faults import image_fault, object_fault
from plugins.data.images.inspection_cache import ImageSource, inspect_all

ROUNDING = 0.5
"""A box that exceeds its image by at most this many pixels is clipped without a note."""
_LEAST = 0.01
"""Minimum width and height of a box, in pixels."""
_PIECE = 256


@dataclass(frozen=True, slots=True)
class StatedObject:
    """One object as a file states it.

    Attributes:
        label: Label name; empty if unusable (see `fault`).
        corners: x1, y1, x2, y2 in pixels, or in shares of width and height if the image is `relative`.
        place: Where it is stated: `labels/1.txt:3`.
        crowd: See `NamedBox.crowd`.
        fault: Why it cannot be used, or None.
    """

    label: str
    corners: Corners
    place: str
    crowd: bool = False
    fault: RowIssue | None = None


@dataclass(frozen=True, slots=True)
class Annotated:
    """One image with its objects as a file states them.

    Attributes:
        image: Absolute path; None if there is no image (see `fault`).
        place: Its name in messages.
        objects: Its objects; None if it is not annotated.
        split: `TRAIN`, `VAL`, `TEST` or `UNDECIDED`.
        stated: Width and height that the annotations state; (0, 0) for none.
        relative: Whether corners are shares of the upright image's width and height.
        root: The real path of the folder that it must lie in; empty for any.
        fault: Its issue, or None.
    """

    image: Path | None
    place: str
    objects: tuple[StatedObject, ...] | None = None
    split: int = UNDECIDED
    stated: tuple[int, int] = (0, 0)
    relative: bool = False
    root: str = ""
    fault: RowIssue | None = None


def load_boxes(
    found: Sequence[Annotated],
    names: Sequence[str] | None,
    origin: str,
    findings: Sequence[DataIssue],
    options: SplitOptions,
    task: Task,
    seed: int,
) -> Splits:
    """Turn annotated images into splits; see `core.data.build_splits`.

    Args:
        found: All images, including unusable ones.
        names: Label names in order, if the format states them; names that never occur are labels too.
        origin: Name of the source in messages.
        findings: Issues found while opening it.
        options: How to split.
        task: The task; its labels take precedence over `names`.
        seed: Seed of the split.
    """
    if task.labels is None and names is not None:
        task = replace(task, labels=list(names))
    rows = BoxRows(found)
    source = Source(rows, rows.take, rows.digest(), origin, tuple(findings))
    return build_splits(source, task, seed, options)


class BoxRows:
    """Annotated images, each inspected once."""

    def __init__(self, found: Sequence[Annotated]) -> None:
        """Inspect all images. The cache groups results by folder."""
        self._found = found
        roots = {each.root: files.RootFolder(each.root) for each in found}
        pieces = (
            [_picture(each, roots[each.root]) for each in found[at : at + _PIECE]]
            for at in range(0, len(found), _PIECE)
        )
        self._inspected = inspect_all(pieces, len(found), f"boxes {sorted(roots)}")

    def __iter__(self) -> Iterator[Row]:
        for number, each in enumerate(self._found):
            fault = self._inspected.faults.get(number, each.fault)
            if fault is not None and fault.level != "note":
                yield Row(None, None, each.place, each.split, fault=fault)
                continue
            example = self._example(number)
            objects, parts, wrong = check_objects(each, example.size)
            label = None if objects is None else tuple(objects)
            yield Row(example, label, each.place, each.split, fault=wrong or fault, parts=tuple(parts))

    def take(self, rows: NDArray[np.int64]) -> list[BoxExample]:
        """Return examples by row number (int64 [k])."""
        return [self._example(int(number)) for number in rows]

    def digest(self) -> str:
        """Return a hash of the annotations; hexadecimal."""
        total = hashlib.sha256()
        for each in self._found:
            fault = each.fault.code if each.fault else ""
            objects = _digest_text(each.objects)
            stated = f"({each.place!r}, {objects}, {each.split}, {each.stated}, {each.relative}, {fault!r})"
            total.update(stated.encode("utf-8", "surrogatepass") + b"\n")
        return total.hexdigest()

    def _example(self, number: int) -> BoxExample:
        each, seen = self._found[number], self._inspected
        assert each.image is not None
        size = int(seen.width[number]), int(seen.height[number])
        return BoxExample(each.image, None, size, seen.digest[number].decode(), each.place)


def _digest_text(objects: tuple[StatedObject, ...] | None) -> str:
    """Return the objects as text for `BoxRows.digest`. Its names are fixed, because older fingerprints depend on it."""
    if objects is None:
        return "None"
    texts = []
    for each in objects:
        fault, issue = each.fault, "None"
        if fault is not None:
            issue = f"Fault(code={fault.code!r}, message={fault.message!r}, cure={fault.cure!r}, level={fault.level!r}"
            issue += f", what={fault.what!r})"
        start = f"Found(label={each.label!r}, corners={each.corners!r}, place={each.place!r}, crowd={each.crowd!r}"
        texts.append(f"{start}, fault={issue})")
    return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"


def _picture(each: Annotated, root: files.RootFolder) -> ImageSource:
    """Return the image to inspect, or why it cannot be used."""
    if each.fault is not None and each.fault.level != "note":
        return each.fault
    assert each.image is not None
    try:
        each.place.encode()
    except UnicodeEncodeError:
        return image_fault("undecodable_name", "the file's name is not valid UTF-8")
    if not root.holds(each.image):
        message = f"the image {root.resolve(each.image)} lies outside the folder {each.root}"
        return image_fault("path_outside", message)
    return each.image


def check_objects(
    each: Annotated, size: tuple[int, int]
) -> tuple[list[NamedBox] | None, list[tuple[str, RowIssue]], RowIssue | None]:
    """Check the objects of one image of `size` (width, height, upright).

    Returns:
        The usable objects, clipped to the image, in its pixels (None if it is not annotated); issues of single objects
        with their places; and the image's issue, or None.
    """
    if each.objects is None:
        return None, [], None
    turn, wrong = orientation.corner_map(each.image, each.stated, size)
    if wrong is not None and wrong.level != "note":
        return None, [], wrong
    kept: dict[NamedBox, None] = {}
    parts: list[tuple[str, RowIssue]] = []
    for found in each.objects:
        corners = _pixels(found.corners, size) if each.relative else turn(found.corners)
        box, fault = _placed(found, corners, size)
        if box is not None and box in kept:
            message = "the object duplicates another one in its image, and is left out"
            fault = faults.note("duplicate_object", message)
        elif box is not None:
            kept[box] = None
        if fault is not None:
            parts.append((found.place, fault))
    if each.objects and not kept:
        return None, parts, image_fault("no_usable_object", "the image has objects, but none is usable")
    return list(kept), parts, wrong


def _pixels(corners: Corners, size: tuple[int, int]) -> Corners:
    (width, height), (x1, y1, x2, y2) = size, corners
    return x1 * width, y1 * height, x2 * width, y2 * height


def _placed(found: StatedObject, corners: Corners, size: tuple[int, int]) -> tuple[NamedBox | None, RowIssue | None]:
    """Return an object clipped to its image, and its issue, if any."""
    if found.fault is not None:
        return None, found.fault
    x1, y1, x2, y2 = corners
    shown = f"the box of {found.label!r} ({x1:g} {y1:g} {x2:g} {y2:g})"
    if not all(map(math.isfinite, corners)):
        return None, object_fault("not_finite", f"{shown} contains a number that is not finite")
    if x2 < x1 or y2 < y1:
        return None, object_fault("inverted_box", f"{shown} ends before it begins")
    if x2 - x1 < _LEAST or y2 - y1 < _LEAST:
        return None, object_fault("degenerate_box", f"{shown} has no {'width' if x2 - x1 < _LEAST else 'height'}")
    width, height = size
    inside = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
    if inside[2] - inside[0] < _LEAST or inside[3] - inside[1] < _LEAST:
        return None, object_fault("box_outside", f"{shown} lies outside the image of {width} × {height} pixels")
    beyond = max(abs(a - b) for a, b in zip(corners, inside, strict=True))
    message = f"{shown} reaches beyond the image of {width} × {height} pixels, and is clipped"
    fault = faults.note("box_clipped", message) if beyond > ROUNDING else None
    return NamedBox(found.label, inside, found.crowd), fault
