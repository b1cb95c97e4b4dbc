"""Data adapters for texts: the bundled reviews, tables and JSON Lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from core import Problem, RunConfig, Splits, Task, option
from core.data import files
from core.tasks import TextClassification, TextExample
from plugins.data.adapters import checks
from plugins.data.adapters.file_adapter import FileAdapter
from plugins.data.target_layout import layout_of

if TYPE_CHECKING:
    from plugins.data.tabular.columns import Columns
    from plugins.data.tabular.rows import Reading
    from plugins.data.tabular.table import TextFiles


REVIEWS = Path(__file__).parents[1] / "reviews"


TEXT = (TextClassification.name,)


@dataclass
class Reviews(FileAdapter):
    """1,296 product reviews in three classes, written by hand for Graft and included in it."""

    name: ClassVar[str] = "reviews"
    task_types: ClassVar[tuple[str, ...]] = TEXT

    def load(self, task: Task, seed: int) -> Splits:
        """Return the reviews, split by seed."""
        from plugins.data.tabular import rows, table

        reading = rows.Reading(columns_of("text", label="label"), layout_of(task))
        return table.load_table(table.TextFiles(path=str(REVIEWS)), reading, self, task, seed)


@dataclass
class Table(FileAdapter):
    """Labeled texts in CSV, TSV, JSON Lines or Parquet files."""

    name: ClassVar[str] = "table"
    task_types: ClassVar[tuple[str, ...]] = TEXT

    path: str = option(
        "", "A file, a folder or a glob. Files named after splits (train.csv, test.csv) become those splits.", path=True
    )
    train: str = option("", "The training examples, instead of path: a file, a folder or a glob.", path=True)
    val: str = option("", "The validation examples. If empty, they are taken from the training examples.", path=True)
    test: str = option("", "The test examples. If empty, they are taken from the training examples.", path=True)
    text: str = option(
        "", "The text column, by name or position (from 0). If empty, it is guessed from the column names."
    )
    pair: str = option("", "The column with the second text, if the examples are pairs.")
    label: str = option("", "The column of labels or values. If empty, it is guessed from the column names.")
    label_columns: list[str] = option(None, "Columns of 0 and 1, one per label (target multi).", factory=list)
    label_separator: str = option("|", "Separates the labels within one cell (target multi). A JSON list works too.")
    label_names: dict[str, str] = option(None, "New names for the data's labels.", factory=dict)
    split: str = option("", "The column with each row's split: train, val or test.")
    group: str = option("", "The column of groups (an author, a product). A group is never divided between splits.")
    format: str = option("auto", "auto: by the file name suffix.", choices=("auto", "csv", "tsv", "jsonl", "parquet"))
    encoding: str = option("auto", "The encoding of text files, such as cp1252. auto detects it.")
    separator: str = option(
        "auto", "The column separator: a character, or comma, tab, semicolon, pipe. auto detects it."
    )
    quoting: str = option(
        "auto",
        "double: values may be enclosed in double quotes. none: quotes are ordinary characters.",
        choices=("auto", "double", "none"),
    )
    header: str = option("auto", "Whether the first row holds the column names.", choices=("auto", "present", "absent"))

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Report options that are missing or contradict each other."""
        yield from self.split_problems()
        yield from files.source_problems(self.path, self.train, self.val, self.test)
        given = (self.train, self.val, self.test)
        yield from checks.columns(config, self.label, self.label_columns, self.split, self.group, given)

    def load(self, task: Task, seed: int) -> Splits:
        """Read the files, and create the splits that are missing."""
        from plugins.data.tabular import table

        return table.load_table(self._files(), self._reading(task), self, task, seed)

    def unlabelled(self, task: Task, path: Path) -> Sequence[TextExample]:
        """Return the texts of a file with the same columns, without labels."""
        from plugins.data.adapters.unlabeled import read

        return read(task.type, path, self._reading(task).columns, self._files())

    def _reading(self, task: Task) -> Reading:
        from plugins.data.tabular.rows import Reading

        columns = columns_of(self.text, self.pair, self.label, tuple(self.label_columns), self.split, self.group)
        return Reading(columns, layout_of(task), self.label_separator, self.label_names)

    def _files(self) -> TextFiles:
        from plugins.data.tabular.delimited import Dialect
        from plugins.data.tabular.table import TextFiles

        named = (self.text, self.pair, self.label, self.split, self.group, *self.label_columns)
        names = tuple(name for name in named if name and not name.isdecimal())
        dialect = Dialect(self.separator, self.quoting, self.header, names)
        return TextFiles(self.path, self.train, self.val, self.test, self.format, self.encoding, dialect)


@dataclass
class Lines(FileAdapter):
    """Text files with one text per line. Each file is one class, named after the file."""

    name: ClassVar[str] = "lines"
    task_types: ClassVar[tuple[str, ...]] = TEXT

    path: str = option("", "A folder or a glob of files. Subfolders train, val and test become splits.", path=True)
    label_names: dict[str, str] = option(None, "New names for the labels, instead of the file names.", factory=dict)
    encoding: str = option("auto", "The encoding, such as cp1252. auto detects it.")

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Report options that are missing or contradict each other."""
        yield from self.split_problems()
        if not self.path:
            yield Problem("data.path", "is not given.", "data.path=FOLDER")

    def load(self, task: Task, seed: int) -> Splits:
        """Read the files, and create the splits that are missing."""
        from plugins.data.tabular import lines

        return lines.load_lines(self.path, self.encoding, self.label_names, self, task, seed)

    def unlabelled(self, task: Task, path: Path) -> Sequence[TextExample]:
        """Return the lines of a file."""
        from plugins.data.tabular import plain_text

        (found,) = files.name_files([(each, -1) for each in files.find("the file", str(path))][:1])
        return plain_text.texts(found, self.encoding)


def columns_of(
    text: str = "",
    pair: str = "",
    label: str = "",
    labels: tuple[str, ...] = (),
    split: str = "",
    group: str = "",
    image: str = "",
) -> Columns:
    """Return the columns that the options name."""
    from plugins.data.tabular.columns import Columns

    return Columns(text, pair, label, labels, split, group, image)
