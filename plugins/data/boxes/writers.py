"""Write images with boxes as Pascal VOC, COCO or YOLO folders, which the adapters of these names can read.

Image files are copied unchanged, and numbers are written in full precision. YOLO files cannot mark crowds, so crowds
are written there like other objects.

    from plugins.data.boxes.writers import parts, write_coco

    write_coco(parts(splits), splits.labels, Path("cells"))     # then: data=coco data.path=cells
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from core.contracts import Splits
from core.errors import DataError, Problem
from core.images import SUFFIXES, inspect
from core.tasks import Boxes, BoxExample, Corners

Parts = Mapping[str, Iterable[BoxExample]]
"""Examples by the name of their split: `train`, `val`, `test`."""


def parts(splits: Splits) -> Parts:
    """Return the three splits by name."""
    return {"train": splits.train, "val": splits.val, "test": splits.test}


def write_voc(parts: Parts, labels: Sequence[str], folder: Path) -> None:
    """Write JPEGImages, Annotations and ImageSets/Main, as in Pascal VOC. Crowds become `difficult`.

    Args:
        parts: Examples of each split, with targets.
        labels: Label names.
        folder: The folder to write, created if missing.

    Raises:
        DataError: An example is not annotated.
        OSError: A file cannot be written.
    """
    for part, examples in parts.items():
        stems = []
        for stem, example, boxes in _numbered(part, examples):
            file = _copy(example, folder / "JPEGImages" / stem)
            _write(folder / "Annotations" / f"{stem}.xml", _xml(file.name, _size(example), boxes, labels))
            stems.append(f"{stem}\n")
        _write(folder / "ImageSets" / "Main" / f"{part}.txt", "".join(stems))


def write_coco(parts: Parts, labels: Sequence[str], folder: Path) -> None:
    """Write one folder of images per split, and annotations/instances_SPLIT.json. Category numbers start at 1.

    Args:
        parts: Examples of each split, with targets.
        labels: Label names, all of which become categories.
        folder: The folder to write, created if missing.

    Raises:
        DataError: An example is not annotated.
        OSError: A file cannot be written.
    """
    categories = [{"id": number, "name": name} for number, name in enumerate(labels, start=1)]
    for part, examples in parts.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for stem, example, boxes in _numbered(part, examples):
            file = _copy(example, folder / part / stem)
            width, height = _size(example)
            images.append({"id": len(images) + 1, "file_name": file.name, "width": width, "height": height})
            for (x1, y1, x2, y2), label, crowd in _objects(boxes):
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": len(images),
                        "category_id": label + 1,
                        "bbox": [x1, y1, x2 - x1, y2 - y1],
                        "area": (x2 - x1) * (y2 - y1),
                        "iscrowd": int(crowd),
                    }
                )
        instances = {"images": images, "annotations": annotations, "categories": categories}
        _write(folder / "annotations" / f"instances_{part}.json", json.dumps(instances))


def write_yolo(parts: Parts, labels: Sequence[str], folder: Path) -> None:
    """Write data.yaml, images/SPLIT and labels/SPLIT, as Ultralytics reads them.

    Args:
        parts: Examples of each split, with targets.
        labels: Label names.
        folder: The folder to write, created if missing.

    Raises:
        DataError: An example is not annotated.
        OSError: A file cannot be written.
    """
    for part, examples in parts.items():
        for stem, example, boxes in _numbered(part, examples):
            _copy(example, folder / "images" / part / stem)
            width, height = _size(example)
            rows = [
                f"{label} {(x1 + x2) / 2 / width:.9g} {(y1 + y2) / 2 / height:.9g} "
                f"{(x2 - x1) / width:.9g} {(y2 - y1) / height:.9g}\n"
                for (x1, y1, x2, y2), label, _ in _objects(boxes)
            ]
            _write(folder / "labels" / part / f"{stem}.txt", "".join(rows))
    names = "".join(f"  {number}: {json.dumps(name)}\n" for number, name in enumerate(labels))
    _write(folder / "data.yaml", "".join(f"{part}: images/{part}\n" for part in parts) + f"names:\n{names}")


def _numbered(part: str, examples: Iterable[BoxExample]) -> Iterator[tuple[str, BoxExample, Boxes]]:
    """Yield examples with unique names and their objects."""
    for number, example in enumerate(examples):
        if not isinstance(example.target, Boxes):
            raise DataError(Problem(example.place, "the image is not annotated.", "Write annotated images only."))
        yield f"{part}_{number:06}", example, example.target


def _objects(boxes: Boxes) -> Iterator[tuple[Corners, int, bool]]:
    return zip(boxes.corners, boxes.labels, boxes.crowd or (False,) * len(boxes), strict=True)


def _size(example: BoxExample) -> tuple[int, int]:
    """Return width and height of the upright image."""
    if example.size != (0, 0):
        return example.size
    seen = inspect(example.image)
    return seen.width, seen.height


def _copy(example: BoxExample, to: Path) -> Path:
    """Write an image's bytes to `to`, with the original suffix."""
    suffix = example.image.suffix.lower() if isinstance(example.image, Path) else ".png"
    path = to.with_name(to.name + (suffix if suffix in SUFFIXES else ".png"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(example.image.read_bytes() if isinstance(example.image, Path) else example.image)
    return path


def _xml(file: str, size: tuple[int, int], boxes: Boxes, labels: Sequence[str]) -> str:
    head = (
        f"<annotation>\n<filename>{escape(file)}</filename>\n<size><width>{size[0]}</width><height>{size[1]}</height>"
    )
    lines = [f"{head}<depth>3</depth></size>"]
    for corners, label, crowd in _objects(boxes):
        edges = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
        box = "".join(f"<{name}>{value:.9g}</{name}>" for name, value in edges)
        name = f"<name>{escape(labels[label])}</name><difficult>{int(crowd)}</difficult>"
        lines.append(f"<object>{name}<bndbox>{box}</bndbox></object>")
    return "\n".join([*lines, "</annotation>\n"])


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
