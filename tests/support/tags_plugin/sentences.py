"""Sentences: the example and its task type, and an adapter that generates them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core import DataAdapter, SplitOptions, Splits, Task, TaskType, option
from core.data import Row, Source, build_splits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TAGS_OF_WORDS = {
    **dict.fromkeys(("Ann", "Bob", "Eve"), "person"),
    **dict.fromkeys(("Oslo", "Rome"), "place"),
    **dict.fromkeys(("and", "in", "left", "met", "of", "saw", "with"), "other"),
}
WORDS = tuple(TAGS_OF_WORDS)
LONGEST = 7


@dataclass(frozen=True, slots=True)
class Sentence:
    """The words of a sentence. Its target is a tuple of label indices, one per word."""

    words: tuple[str, ...]
    target: tuple[int, ...] | None = None
    place: str = ""


@dataclass
class WordTagging(TaskType):
    """One tag for each word."""

    name: ClassVar[str] = "word-tagging"
    example: ClassVar[type] = Sentence
    targets: ClassVar[tuple[str, ...]] = ("word_tags",)

    def identity(self, example: Sentence) -> bytes:
        """Return the words."""
        return "\0".join(example.words).encode()

    def content(self, example: Sentence) -> dict[str, Any]:
        """Return the words."""
        return {"words": list(example.words)}

    def parse(self, text: str) -> Sentence:
        """Return the words between spaces."""
        return Sentence(tuple(text.split()))


@dataclass
class TaggedWords(DataAdapter, SplitOptions):
    """Generated sentences of 1 to 7 words."""

    name: ClassVar[str] = "tagged_words"
    task_types: ClassVar[tuple[str, ...]] = (WordTagging.name,)

    sentences: int = option(160, "Number of sentences.", low=10)

    def load(self, task: Task, seed: int) -> Splits:
        """Generate the sentences, and split them."""
        source = Source(self._rows(), self._take, digest=f"{self.sentences}", origin="tagged words")
        return build_splits(source, task, seed, self)

    def _rows(self) -> Iterator[Row]:
        for number in range(self.sentences):
            example = sentence(number)
            yield Row(example, [TAGS_OF_WORDS[word] for word in example.words], example.place)

    def _take(self, numbers: NDArray[np.int64]) -> Sequence[Sentence]:
        return [sentence(int(number)) for number in numbers]


def sentence(number: int) -> Sentence:
    """Return the generated sentence of this number, without its target."""
    digest = hashlib.sha256(str(number).encode()).digest()
    words = tuple(WORDS[byte % len(WORDS)] for byte in digest[: 1 + number % LONGEST])
    return Sentence(words, place=f"sentence:{number + 1}")
