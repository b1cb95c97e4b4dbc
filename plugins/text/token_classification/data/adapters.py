"""The data adapters of token classification: the bundled sentences, files of tagged texts, and data sets of the Hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from core import DataAdapter, Problem, RunConfig, SplitOptions, Splits, Task, option
from core.data import files
from plugins.text.token_classification.data.options import TagOptions
from plugins.text.token_classification.example import TokenClassification, TokenExample

if TYPE_CHECKING:
    from plugins.text.token_classification.data.load import TokenFiles

TYPES = (TokenClassification.name,)
SENTENCES = Path(__file__).parents[1] / "sentences"


@dataclass
class Entities(SplitOptions, DataAdapter):
    """Sentences with persons, organizations, places, dates and products, written for Graft and included in it."""

    name: ClassVar[str] = "entities"
    task_types: ClassVar[tuple[str, ...]] = TYPES

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Report fractions that leave nothing to train on."""
        yield from self.split_problems()

    def load(self, task: Task, seed: int) -> Splits:
        """Return the sentences, split by seed."""
        from plugins.text.token_classification.data import load, reading

        fields = reading.Reading(text="text", spans="entities", offsets="characters")
        return load.load_files(load.TokenFiles(path=str(SENTENCES)), fields, self, task, seed)

    def unlabelled(self, task: Task, path: Path) -> Sequence[TokenExample]:
        """Return the sentences of a file of any form, without tags."""
        from plugins.text.token_classification.data import load, reading

        return load.unlabelled(load.TokenFiles(), reading.Reading(), path, task)


@dataclass
class TaggedText(TagOptions, DataAdapter):
    """Tagged texts in CoNLL or JSON files: words with tags, or texts with spans."""

    name: ClassVar[str] = "tagged_text"
    task_types: ClassVar[tuple[str, ...]] = TYPES

    path: str = option(
        "",
        "A file, a folder or a glob. Files named after splits (train.conll, test.conll) become those splits.",
        path=True,
    )
    train: str = option("", "The training examples, instead of path: a file, a folder or a glob.", path=True)
    val: str = option("", "The validation examples. If empty, they are taken from the training examples.", path=True)
    test: str = option("", "The test examples. If empty, they are taken from the training examples.", path=True)
    format: str = option(
        "auto",
        "conll: a word and its tags per line; jsonl: a JSON value per line; json: one list. auto: by the suffix.",
        choices=("auto", "conll", "jsonl", "json"),
    )
    word_column: int = option(0, "The column of words in CoNLL files, from 0 (in CoNLL-U files 1).", low=0)
    tag_column: int = option(
        -1, "The column of tags in CoNLL files, from 0; -1 for the last (in CoNLL-U files 3).", low=-1
    )
    group: str = option(
        "",
        "The field of groups (an article, a patient); in CoNLL files docstart, for the documents between -DOCSTART- "
        "lines. A group is never divided between splits.",
    )
    split: str = option("", "The field with each row's split: train, val or test.")
    encoding: str = option("auto", "The encoding of the files, such as cp1252. auto detects it.")

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Report options that are missing or contradict each other."""
        yield from self.split_problems()
        yield from self.tag_problems()
        yield from files.source_problems(self.path, self.train, self.val, self.test)
        if self.split and (self.train or self.val or self.test):
            yield Problem("data.split", "the files name the splits already.", "Set data.path, or leave out data.split.")
        if self.group and self.train and self.val and self.test:
            yield Problem("data.group", "all splits are given, so it would have no effect.", "Leave it out.")
        if self.format == "conll":
            for each in ("tokens", "tags", "text", "spans", "split"):
                if getattr(self, each):
                    yield Problem(f"data.{each}", "does not apply: CoNLL files have no fields.", "Leave it out.")
            if self.group not in ("", "docstart"):
                yield Problem("data.group", "CoNLL files have no fields.", "data.group=docstart, or leave it out.")
        elif self.format != "auto" and (self.word_column, self.tag_column) != (0, -1):
            option = "word_column" if self.word_column else "tag_column"
            yield Problem(f"data.{option}", "does not apply: JSON files have no columns.", "Leave it out.")
        if self.word_column == self.tag_column:
            yield Problem("data.tag_column", "is the column of words too.", "Name two columns.")

    def load(self, task: Task, seed: int) -> Splits:
        """Read the files, and create the splits that are missing."""
        from plugins.text.token_classification.data import load

        reading = self.reading(self.split, self.word_column, self.tag_column)
        return load.load_files(self._files(), reading, self, task, seed)

    def unlabelled(self, task: Task, path: Path) -> Sequence[TokenExample]:
        """Return the sentences of a file of the same form, without tags; a `.txt` file holds one text per line."""
        from plugins.text.token_classification.data import load

        return load.unlabelled(self._files(), self.reading("", self.word_column, self.tag_column), path, task)

    def _files(self) -> TokenFiles:
        from plugins.text.token_classification.data.load import TokenFiles

        return TokenFiles(self.path, self.train, self.val, self.test, self.format, self.encoding)


@dataclass
class HubTags(TagOptions, DataAdapter):
    """A dataset on the Hugging Face Hub with tagged texts, or one saved to disk. Dataset scripts are never executed."""

    name: ClassVar[str] = "hub_tags"
    task_types: ClassVar[tuple[str, ...]] = TYPES
    variant_of: ClassVar[str] = "hub"
    """The component whose place it takes for its task types."""

    dataset: str = option("", "The dataset's name on the Hub: owner/name.")
    path: str = option(
        "", "Instead of dataset: a folder written by save_to_disk, or a folder of Parquet files.", path=True
    )
    subset: str = option("", "The dataset's configuration, if it has several.")
    revision: str = option("", "A branch, tag or commit. Empty: the newest.")
    train: str = option("", "The dataset's split for training. If empty, it is found by its usual names.")
    val: str = option("", "The dataset's split for validation. If empty, it is found by its usual names.")
    test: str = option("", "The dataset's split for testing. If empty, it is found by its usual names.")

    def check(self, config: RunConfig) -> Iterator[Problem]:
        """Report options that are missing or contradict each other."""
        yield from self.split_problems()
        yield from self.tag_problems()
        if bool(self.dataset) == bool(self.path):
            message = "is not given." if not self.dataset else "and data.path are both set."
            yield Problem("data.dataset", message, "data.dataset=owner/name, or data.path=FOLDER")
        for each in ("subset", "revision"):
            if self.path and getattr(self, each):
                yield Problem(f"data.{each}", "does not apply to a folder.", "Leave it out.")

    def load(self, task: Task, seed: int) -> Splits:
        """Download or open the dataset, and create the splits that are missing."""
        from plugins.text.token_classification.data import hub

        splits = {"train": self.train, "val": self.val, "test": self.test}
        if self.path:
            loaded, name = hub.open_folder(self.path), Path(self.path).name
        else:
            loaded, name = files.open_remote(self.dataset, self.subset, self.revision), self.dataset
        return hub.load_dataset(loaded, name, splits, self.reading(), self, task, seed)

    def unlabelled(self, task: Task, path: Path) -> Sequence[TokenExample]:
        """Return the sentences of a local file with the same fields, without tags."""
        from plugins.text.token_classification.data import load

        return load.unlabelled(load.TokenFiles(), self.reading(), path, task)


ADAPTERS = (Entities, TaggedText, HubTags)
