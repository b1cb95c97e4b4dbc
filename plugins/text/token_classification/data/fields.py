"""The fields of JSON objects: usual names, and which of them a data set has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import DataError, Problem, unknown
from plugins.text.token_classification.data.reading import Reading

TOKENS = ("tokens", "words", "token", "word")
TAGS = ("ner_tags", "tags", "ner", "labels", "bio_tags", "pos_tags", "upos", "pos", "chunk_tags", "label", "tag")
TEXTS = ("text", "sentence", "content", "document", "sentence_text", "body")
SPANS = ("entities", "spans", "labels", "label", "annotations", "ents", "entity")


@dataclass(frozen=True)
class Fields:
    """The fields that hold sentences: words and tags, or a text and its spans. Empty for none.

    Attributes:
        tokens, tags: The fields of words and of their tags.
        text, spans: The fields of the text and of its spans.
    """

    tokens: str = ""
    tags: str = ""
    text: str = ""
    spans: str = ""

    def describe(self) -> str:
        """Return which fields are used: `words from 'tokens', tags from 'ner_tags'`."""
        used = {"words": self.tokens, "tags": self.tags, "text": self.text, "spans": self.spans}
        return ", ".join(f"{what} from {name!r}" for what, name in used.items() if name)


def find_fields(name: str, objects: Iterable[Mapping[str, Any]], reading: Reading) -> Fields:
    """Return the fields of a file or split: those that the options name, else those with usual names.

    Args:
        name: The name of the file or split, for messages.
        objects: Its first objects.
        reading: The options.

    Raises:
        DataError: A field does not exist, or there are no fields with usual names.
    """
    sample = list(objects)
    keys = list(dict.fromkeys(key for each in sample for key in each))
    wanted = {each: getattr(reading, each) for each in ("tokens", "tags", "text", "spans", "split", "group")}
    problems = []
    for option, field in wanted.items():
        if field and field not in keys and (reading.labeled or option in ("tokens", "text")):
            problems.append(Problem(f"data.{option}", *_unknown(name, field, keys)))
    if problems:
        raise DataError(*problems)
    tokens = reading.tokens or _first(TOKENS, keys, sample, is_words)
    tags = reading.tags or _first(TAGS, [key for key in keys if key != tokens], sample, _is_tags)
    text = reading.text or _first(TEXTS, keys, sample, lambda value: isinstance(value, str))
    spans = reading.spans or _first(SPANS, keys, sample, _is_spans)
    by_words, by_text = bool(reading.tokens or reading.tags), bool(reading.text or reading.spans)
    if tokens and not by_text and (tags or not reading.labeled):
        return Fields(tokens=tokens, tags=tags)
    if text and not by_words and (spans or not reading.labeled):
        return Fields(text=text, spans=spans)
    given = "data.text=NAME data.spans=NAME" if by_text or (text and not tokens) else "data.tokens=NAME data.tags=NAME"
    message = "cannot tell which fields hold the words and their tags, or the text and its spans."
    raise DataError(Problem(name, message, f"Set {given}. The fields are: {', '.join(keys)}."))


def _unknown(name: str, field: str, keys: Sequence[str]) -> tuple[str, str]:
    message, cure = unknown("field", field, keys)
    return f"in {name} {message}", cure


def _first(usual: Iterable[str], keys: Sequence[str], sample: Sequence[Mapping[str, Any]], fits: Any) -> str:
    """Return the first usual name whose first value that is not empty fits."""
    for name in usual:
        if name in keys and fits(next((each[name] for each in sample if each.get(name)), None)):
            return name
    return ""


def is_words(value: Any) -> bool:
    """Return whether a value is a list of words."""
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_tags(value: Any) -> bool:
    return isinstance(value, list) and all(each is None or isinstance(each, str | int) for each in value)


def _is_spans(value: Any) -> bool:
    """Return whether a value can be the spans of a text; without any span in the sample it can be empty."""
    if isinstance(value, dict):  # one list for each property of spans, as `datasets` stores them
        return all(isinstance(each, list) for each in value.values())
    return value is None or (isinstance(value, list) and all(isinstance(each, list | dict) for each in value))
