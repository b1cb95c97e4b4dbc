"""Scenes as PNG files in Graft's cache, or in memory if the cache cannot be written."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.data import NAMES
from core.files import new_folder
from core.images import inspect
from core.issues import DataIssue
from core.runtime import cache_directory
from core.tasks import Corners
from plugins.data.builtin import scene_drawing

_VERSION = 1
"""Must change when the same recipe gives different scenes."""
_LIST = "scenes.json"


@dataclass(frozen=True)
class DigitScene:
    """One scene.

    Attributes:
        name: `train-0001`.
        split: `train`, `val` or `test`.
        image: The PNG file, or its bytes.
        digest: Hash of its pixels.
        objects: Label and box of each digit.
    """

    name: str
    split: str
    image: Path | bytes
    digest: str
    objects: tuple[tuple[str, Corners], ...]


def key(recipe: Mapping[str, int]) -> str:
    """Return a hash of everything that the scenes depend on; hexadecimal."""
    return hashlib.sha256(json.dumps([_VERSION, dict(sorted(recipe.items()))]).encode()).hexdigest()


def fetch(recipe: Mapping[str, int]) -> tuple[list[DigitScene], list[DataIssue]]:
    """Return the scenes of a recipe, and issues about them."""
    folder = cache_directory() / "digit_scenes" / key(recipe)[:16]
    kept = _read(folder)
    if kept is not None:
        return kept, []
    made = list(_made(recipe))
    try:
        _write(folder, made)
    except OSError as error:
        message = f"the scenes are held in memory: {folder} cannot be written ({error.strerror or error})."
        return made, [DataIssue("cache_not_written", message, len(made), level="info")]
    return _read(folder) or made, []


def _made(recipe: Mapping[str, int]) -> Iterator[DigitScene]:
    digits = scene_drawing.digits()
    for split in NAMES:
        for number in range(recipe[split]):
            pixels, boxes = scene_drawing.draw(recipe, digits[split], split, number)
            image = _png(pixels)
            objects = tuple((box.label, box.corners) for box in boxes)
            yield DigitScene(f"{split}-{number:04}", split, image, inspect(image).digest, objects)


def _png(pixels: scene_drawing.Pixels) -> bytes:
    """Return a PNG, compressed quickly: noise hardly compresses better with more effort."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _write(folder: Path, made: list[DigitScene]) -> None:
    """Write all scenes into a new folder of the cache."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(folder, shared=True) as aside:
        entries = []
        for scene in made:
            assert isinstance(scene.image, bytes)
            (aside / f"{scene.name}.png").write_bytes(scene.image)
            file = hashlib.blake2b(scene.image, digest_size=16).hexdigest()
            entries.append([scene.name, scene.split, scene.digest, file, scene.objects])
        (aside / _LIST).write_text(json.dumps(entries), encoding="utf-8")
        if folder.exists():  # it is damaged, because it could not be read
            shutil.rmtree(folder, ignore_errors=True)


def _read(folder: Path) -> list[DigitScene] | None:
    """Return the scenes in a folder; None if one is missing or was changed."""
    try:
        found = []
        for name, split, digest, file, objects in json.loads((folder / _LIST).read_text(encoding="utf-8")):
            image = folder / f"{name}.png"
            if hashlib.blake2b(image.read_bytes(), digest_size=16).hexdigest() != file:
                return None
            placed = tuple((label, (x1, y1, x2, y2)) for label, (x1, y1, x2, y2) in objects)
            found.append(DigitScene(name, split, image, digest, placed))
    except (OSError, ValueError, TypeError):
        return None
    return found
