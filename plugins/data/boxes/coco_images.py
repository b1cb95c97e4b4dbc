"""Find the images of a COCO file: beside it, in the usual folders, or by the last part of their paths."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from core.data import NAMES, UNDECIDED
from core.issues import RowIssue
from plugins.data.boxes import files
from plugins.data.boxes.faults import image_fault, note

_TRIED = 20


class Images:
    """The images of one JSON file."""

    def __init__(self, path: Path, split: int, given: str, root: str, names: Sequence[str]) -> None:
        """Find the folder.

        Args:
            path: The JSON file.
            split: Its split.
            given: The configured folder, or empty.
            root: The folder that images must lie in, or empty.
            names: The images' names in the file.

        Raises:
            DataError: `given` is not a folder.
        """
        tops = [files.folder("data.images", given)] if given else [path.parent, path.parent.parent]
        tail = path.stem.rpartition("_")[2]
        inner = ["", "images", tail, f"images/{tail}"]
        if split != UNDECIDED:
            inner += [NAMES[split], f"images/{NAMES[split]}"]
        folders = [top / each for top in tops for each in inner]
        folders = [each for each in folders if each.is_dir()] or tops
        tried = names[:: max(1, len(names) // _TRIED)][:_TRIED]
        self._folder = max(folders, key=lambda each: _count_existing(each, tried))
        self.root = os.path.realpath(root or self._folder)
        self._inside = files.RootFolder(self.root)

    def find(self, name: str) -> tuple[Path | None, RowIssue | None]:
        """Return the path of an image by its `file_name`, or by its last part if the full path does not exist.

        Returns:
            The path or None, and its issue or None.
        """
        plain = name.replace("\\", "/")
        path = self._folder / plain
        if path.is_file() and self._inside.holds(path):
            return path, None
        moved = self._folder / plain.rpartition("/")[2]
        if moved.is_file():
            message = f"the path {name} does not exist in the folder of images; the image was found by its last part"
            return moved, note("moved_image", message, "image")
        if path.is_file():
            return None, image_fault("path_outside", f"the image {name} lies outside the folder {self.root}")
        message = f"there is no image {name} in {self._folder}"
        return None, image_fault("label_without_image", message)


def _count_existing(folder: Path, names: Sequence[str]) -> tuple[int, int]:
    """Return how many of `names` exist in a folder: as written, and by their last part."""
    plain = [name.replace("\\", "/") for name in names]
    whole = sum((folder / name).is_file() for name in plain if not name.startswith(("/", "..")))
    return whole, sum((folder / name.rpartition("/")[2]).is_file() for name in plain)
