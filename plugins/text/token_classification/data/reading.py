"""How sentences are read, and a sentence as it was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from core.data import UNDECIDED, DataIssue, RowIssue

AUTO = "auto"


@dataclass(frozen=True)
class Reading:
    """The options for reading sentences; see `TaggedText`.

    Attributes:
        tokens, tags, text, spans: The names of fields; empty to guess them.
        split, group: The names of fields; empty for none.
        word_column, tag_column: The columns of words and tags, from 0; -1 for the last.
        scheme: The scheme of the tags, or `auto`.
        tag_names: The names of tags that are numbers.
        label_names: New names for the data's labels.
        offsets: What the offsets of spans count, or `auto`.
        expand: Whether a span that cuts a word is extended to whole words.
        labeled: Whether tags are read.
        entities: Whether the tags of the task have prefixes, so that a detected scheme cannot be `plain`.
    """

    tokens: str = ""
    tags: str = ""
    text: str = ""
    spans: str = ""
    split: str = ""
    group: str = ""
    word_column: int = 0
    tag_column: int = -1
    scheme: str = AUTO
    tag_names: tuple[str, ...] = ()
    label_names: Mapping[str, str] = field(default_factory=dict)
    offsets: str = AUTO
    expand: bool = False
    labeled: bool = True
    entities: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence with its tags as the data has them.

    Attributes:
        text: The text.
        words: Where each word starts and ends in `text`, in characters.
        tags: The tag of each word; None if there are none.
        aligned: Whether the tags were made from spans, so that their scheme is IOB2.
        split: `TRAIN`, `VAL`, `TEST` or `UNDECIDED`.
        group: Sentences of one group stay in one split; None for no group.
        notes: Codes of the notes on its spans.
    """

    text: str
    words: tuple[tuple[int, int], ...]
    tags: tuple[str, ...] | None
    aligned: bool = False
    split: int = UNDECIDED
    group: str | None = None
    notes: tuple[str, ...] = ()


Record = tuple[int, Sentence | RowIssue]
"""The number of a row (from 1; in text files the line), and its sentence or its issue."""


@dataclass(frozen=True)
class Part:
    """One file, or one split of a dataset.

    Attributes:
        name: Its name in places: `train.conll`.
        records: Returns a new iterator over its records.
        how: A short description of its form.
        written: Everything that reading its bytes depends on besides the options, for cache keys.
        size: Size in bytes.
        findings: Issues found while opening it.
    """

    name: str
    records: Callable[[], Iterator[Record]]
    how: str = ""
    written: str = ""
    size: int = 0
    findings: tuple[DataIssue, ...] = ()
