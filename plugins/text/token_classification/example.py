"""The example of token classification, and its task type."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from core import Problem, TaskType
from core.errors import DataError

TAGS = "tags"
"""The name of the target type."""


@dataclass(frozen=True, slots=True)
class TokenExample:
    """A text with the words that get a tag.

    Attributes:
        text: The text.
        words: Where each word starts and ends in `text`, in characters; the words are in order and do not overlap.
        target: The index of each word's tag; None if it is unknown.
        place: Where the example was read, for messages: `train.conll:12`.
    """

    text: str
    words: tuple[tuple[int, int], ...]
    target: tuple[int, ...] | None = None
    place: str = ""

    @property
    def surfaces(self) -> list[str]:
        """The words as texts."""
        return [self.text[start:end] for start, end in self.words]


def joined(words: Iterable[str], place: str = "") -> TokenExample:
    """Return the example of words without a text, which are joined by spaces."""
    listed = list(words)
    places, at = [], 0
    for word in listed:
        places.append((at, at + len(word)))
        at += len(word) + 1
    return TokenExample(" ".join(listed), tuple(places), place=place)


def from_text(text: str, place: str = "") -> TokenExample:
    """Return the example of a text, which is split into words."""
    from plugins.text.token_classification.words import split_words

    return TokenExample(text, split_words(text), place=place)


@dataclass
class TokenClassification(TaskType):
    """Predict a tag for each word of a text, such as the names in it."""

    name: ClassVar[str] = "token-classification"
    example: ClassVar[type] = TokenExample
    targets: ClassVar[tuple[str, ...]] = (TAGS,)

    def samples(self, targets: Sequence[Any], labels: Sequence[str]) -> list[TokenExample]:
        """Return texts whose words tell their tags; some words have many subwords."""
        from plugins.text.token_classification.samples import sample_texts

        return sample_texts(targets, labels)

    def identity(self, example: TokenExample) -> bytes:
        """Return the words, so that white space does not matter."""
        return "\x00".join(example.surfaces).encode("utf-8", "surrogatepass")

    def parse(self, text: str) -> TokenExample:
        """Return the example for a text, or for a JSON object with `text` or with `tokens`.

        `tokens` are words, or Prodigy's objects beside a `text`.

        Raises:
            DataError: The object has no usable text or words.
        """
        if text.lstrip().startswith("{"):
            try:
                read = json.loads(text)
            except (ValueError, RecursionError):
                return from_text(text)  # a text that happens to begin with a brace
            if "text" in read or "tokens" in read:
                return _from_object(read, text)
        return from_text(text)

    def fault(self, example: TokenExample) -> Problem | None:
        """Return why the text cannot be encoded, or None."""
        from core.tasks import surrogate_problem

        return surrogate_problem(example.text, example.place)

    def content(self, example: TokenExample) -> dict[str, Any]:
        """Return the text and its words."""
        return {"text": example.text, "words": example.surfaces}


def _from_object(read: dict[str, Any], written: str) -> TokenExample:
    """Return the example of a JSON object, which is read like a row of a file. `written` is the object as text.

    Raises:
        DataError: It has no usable text or words.
    """
    from core.data import RowIssue
    from plugins.text.token_classification.data.faults import EMPTY
    from plugins.text.token_classification.data.json_forms import ObjectReader
    from plugins.text.token_classification.data.reading import Reading

    tokens = read.get("tokens")
    by_words = "text" not in read or (isinstance(tokens, list) and bool(tokens) and not isinstance(tokens[0], dict))
    reading = Reading(tokens="tokens", labeled=False) if by_words else Reading(text="text", labeled=False)
    ((_, found),) = ObjectReader("the input", [(1, read)], reading).records([(1, read)], 0)
    if not isinstance(found, RowIssue):
        return TokenExample(found.text, found.words)
    if found.code == EMPTY:
        return TokenExample("", ())
    cure = 'Write {"text": "a text"}, or {"tokens": ["its", "words"]}.'
    raise DataError(Problem(written.strip()[:60], f"{found.message}.", cure))
