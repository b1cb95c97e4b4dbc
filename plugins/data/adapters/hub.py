"""The data adapter for data sets on the Hugging Face Hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from core import Problem, RunConfig, Splits, Task, option
from core.tasks import ImageExample, TextExample
from plugins.data.adapters.file_adapter import FileAdapter
from plugins.data.adapters.images import IMAGE
from plugins.data.adapters.text import TEXT, columns_of
from plugins.data.target_layout import layout_of


@dataclass
class Hub(FileAdapter):
    """A dataset on the Hugging Face Hub, or one saved to disk. Dataset scripts are never executed."""

    name: ClassVar[str] = "hub"
    task_types: ClassVar[tuple[str, ...]] = TEXT + IMAGE

    dataset: str = option("", "The dataset's name on the Hub: owner/name.")
    path: str = option(
        "", "Instead of dataset: a folder written by save_to_disk, or a folder of data files.", path=True
    )
    subset: str = option("", "The dataset's configuration, if it has several.")
    revision: str = option("", "A branch, tag or commit. Empty: the newest.")
    train: str = option("", "The dataset's split for training. If empty, it is found by its usual names.")
    val: str = option("", "The dataset's split for validation. If empty, it is found by its usual names.")
    test: str = option("", "The dataset's split for testing. If empty, it is found by its usual names.")
    text: str = option("", "The text column. If empty, it is guessed from the column names.")
    pair: str = option("", "The column with the second text, if the examples are pairs.")
    image: str = option(
        "", "The image column. If empty: the column declared as images, or a guess from the column names."
    )
    label: str = option("", "The column of labels or values. If empty, it is guessed from the column names.")
    label_separator: str = option("|", "Separates the labels within one cell (target multi). Lists work too.")
    label_names: dict[str, str] = option(None, "New names for the data's labels.", factory=dict)
    group: str = option("", "The column of groups. A group is never divided between splits.")

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Report options that are missing or contradict each other."""
        yield from self.split_problems()
        if bool(self.dataset) == bool(self.path):
            message = "is not given." if not self.dataset else "and data.path are both set."
            yield Problem("data.dataset", message, "data.dataset=owner/name, or data.path=FOLDER")
        for each in ("subset", "revision"):
            if self.path and getattr(self, each):
                yield Problem(f"data.{each}", "does not apply to a folder.", "Leave it out.")
        for each in ("text", "pair") if config.task.type in IMAGE else ("image",):
            if getattr(self, each):
                yield Problem(f"data.{each}", f"does not apply to {config.task.type}.", "Leave it out.")

    def load(self, task: Task, seed: int) -> Splits:
        """Download or open the dataset, and create the splits that are missing."""
        from plugins.data.hub import datasets
        from plugins.data.tabular.rows import Reading

        columns = columns_of(self.text, self.pair, self.label, (), "", self.group, self.image)
        content = "image" if task.type in IMAGE else "text"
        reading = Reading(columns, layout_of(task), self.label_separator, self.label_names, content)
        splits = {"train": self.train, "val": self.val, "test": self.test}
        if self.path:
            return datasets.load_folder(self.path, splits, reading, self, task, seed)
        return datasets.load_remote(self.dataset, self.subset, self.revision, splits, reading, self, task, seed)

    def unlabelled(self, task: Task, path: Path) -> Sequence[TextExample | ImageExample]:
        """Return texts or images from a local file with the same columns, or images from a folder or a glob."""
        from plugins.data.adapters.unlabeled import read

        return read(task.type, path, columns_of(self.text, self.pair, image=self.image))
