"""Adapters for images: the digits of scikit-learn, class folders, and tables of image paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from core import Problem, RunConfig, Splits, Task, option
from core.data import files
from core.tasks import ImageClassification, ImageExample
from plugins.data.adapters import checks
from plugins.data.adapters.file_adapter import FileAdapter
from plugins.data.target_layout import layout_of

if TYPE_CHECKING:
    from plugins.data.tabular.columns import Columns

IMAGE = (ImageClassification.name,)


@dataclass
class Digits(FileAdapter):
    """1,797 handwritten digits of 8 × 8 pixels, light ink on black (UCI), included in scikit-learn."""

    name: ClassVar[str] = "digits"
    task_types: ClassVar[tuple[str, ...]] = IMAGE

    def load(self, task: Task, seed: int) -> Splits:
        """Return the digits, split by seed."""
        from plugins.data.builtin import digits

        return digits.load_digits(self, task, seed)


@dataclass
class ImageFolder(FileAdapter):
    """Image files: one folder per class, or a table of paths and labels."""

    name: ClassVar[str] = "image_folder"
    task_types: ClassVar[tuple[str, ...]] = IMAGE

    path: str = option(
        "",
        "A folder with one subfolder of images per class (folders train, val and test above them become splits), "
        "or a CSV, TSV, JSON Lines or Parquet file with image paths and labels.",
        path=True,
    )
    train: str = option("", "The training examples, instead of path: a folder of class folders, or a table.", path=True)
    val: str = option("", "The validation examples. If empty, they are taken from the training examples.", path=True)
    test: str = option("", "The test examples. If empty, they are taken from the training examples.", path=True)
    root: str = option(
        "",
        "All images must lie in this folder. Relative paths in a table start here. If empty: the given folder, or "
        "the table's folder.",
        path=True,
    )
    image: str = option(
        "", "A table's column of paths, by name or position (from 0). If empty, it is guessed from the column names."
    )
    label: str = option("", "A table's column of labels. If empty, it is guessed from the column names.")
    label_columns: list[str] = option(None, "Columns of 0 and 1, one per label (target multi).", factory=list)
    label_separator: str = option(
        "|", "Separates the labels within one cell or one folder's name (target multi). A JSON list works too."
    )
    label_names: dict[str, str] = option(None, "New names for the data's labels.", factory=dict)
    split: str = option("", "A table's column with each row's split: train, val or test.")
    group: str = option("", "A table's column of groups (a patient, a scene). A group is never divided between splits.")

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Report options that are missing or contradict each other."""
        yield from self.split_problems()
        yield from files.source_problems(self.path, self.train, self.val, self.test, "FOLDER")
        given = (self.train, self.val, self.test)
        yield from checks.columns(config, self.label, self.label_columns, self.split, self.group, given)

    def load(self, task: Task, seed: int) -> Splits:
        """Inspect each image once, and create the splits that are missing."""
        from plugins.data.images import folder
        from plugins.data.tabular.rows import Reading

        reading = Reading(self._columns(), layout_of(task), self.label_separator, self.label_names, "image")
        sources = folder.Sources(self.path, self.train, self.val, self.test, self.root)
        return folder.load_images(sources, reading, self, task, seed)

    def unlabelled(self, task: Task, path: Path) -> Sequence[ImageExample]:
        """Return the images of a file, a folder, a glob or a table, without labels."""
        from plugins.data.adapters.unlabeled import read

        return read(task.type, path, self._columns(), root=self.root)

    def _columns(self) -> Columns:
        from plugins.data.tabular.columns import Columns

        return Columns("", "", self.label, tuple(self.label_columns), self.split, self.group, self.image)
