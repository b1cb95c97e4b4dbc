"""The adapters of image data: the embedded digits, and files in folders of classes or named by tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from core.config import RunConfig
from core.contracts import Splits, Task
from core.errors import Problem
from core.kinds import ImageClassification, ImageExample
from core.options import option
from plugins.data import refusals
from plugins.data.file_adapter import FileAdapter

if TYPE_CHECKING:
    from plugins.data.columns import Columns

IMAGE = (ImageClassification.name,)


@dataclass
class Digits(FileAdapter):
    """1,797 handwritten digits of 8 × 8 pixels, light ink on black (UCI), which scikit-learn carries."""

    name: ClassVar[str] = "digits"
    kinds: ClassVar[tuple[str, ...]] = IMAGE

    def load(self, task: Task, seed: int) -> Splits:
        """Read and cut the digits."""
        from plugins.data import digits

        return digits.load(self, task, seed)


@dataclass
class ImageFolder(FileAdapter):
    """Image files: a folder for each class, or a table of paths and labels."""

    name: ClassVar[str] = "image_folder"
    kinds: ClassVar[tuple[str, ...]] = IMAGE

    path: str = option(
        "",
        "A folder with a folder of images for each class (folders train, val and test above them are splits), or a "
        "CSV, TSV, JSON Lines or Parquet file that names images and their labels.",
        path=True,
    )
    train: str = option(
        "", "The training examples, in place of path: a folder of class folders, or a table.", path=True
    )
    val: str = option("", "The validation examples; empty cuts them out of train.", path=True)
    test: str = option("", "The test examples; empty cuts them out of train.", path=True)
    root: str = option(
        "",
        "The folder that all images must lie in, and that a table's relative paths start from; empty for the given "
        "folder, or the table's.",
        path=True,
    )
    image: str = option("", "A table's column of paths, by name or position (from 0); empty tells it from the names.")
    label: str = option("", "A table's column of labels; empty tells it from the names.")
    label_columns: list[str] = option(None, "Columns of 0 and 1, one for each label (target multi).", factory=list)
    label_separator: str = option(
        "|", "Between the labels of one cell, or of one folder's name (target multi); a JSON list is understood too."
    )
    label_names: dict[str, str] = option(None, "Names to use in place of the data's labels.", factory=dict)
    split: str = option("", "A table's column that names each row's split: train, val or test.")
    group: str = option("", "A table's column of groups (a patient, a scene) that a cut must not tear apart.")

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Options that are missing or cannot go together."""
        yield from self.cut_problems()
        yield from refusals.sources(self.path, self.train, self.val, self.test, "FOLDER")
        given = (self.train, self.val, self.test)
        yield from refusals.columns(config, self.label, self.label_columns, self.split, self.group, given)

    def load(self, task: Task, seed: int) -> Splits:
        """Look at the images once, and cut them."""
        from plugins.data import image_folder
        from plugins.data.rows import Reading

        reading = Reading(self._columns(), task.target, self.label_separator, self.label_names, "image")
        sources = image_folder.Sources(self.path, self.train, self.val, self.test, self.root)
        return image_folder.load(sources, reading, self, task, seed)

    def unlabelled(self, task: Task, path: Path) -> Sequence[ImageExample]:
        """The images of a file, a folder or a glob, or those that a table names, whose labels are not looked at."""
        from plugins.data.unlabelled import read

        return read(task.kind, path, self._columns(), root=self.root)

    def _columns(self) -> Columns:
        from plugins.data.columns import Columns

        return Columns("", "", self.label, tuple(self.label_columns), self.split, self.group, self.image)
