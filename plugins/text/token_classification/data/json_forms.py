"""Turn JSON objects into sentences: words with tags, or a text with spans, in the forms of usual tools."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from types import MappingProxyType
from typing import Any

from core.data import UNDECIDED, RowIssue, files
from plugins.text.token_classification.data import label_studio
from plugins.text.token_classification.data.alignment import align
from plugins.text.token_classification.data.faults import EMPTY, BadRowError
from plugins.text.token_classification.data.fields import Fields, find_fields
from plugins.text.token_classification.data.offsets import CHARACTERS, UTF16, LabeledSpan, in_characters, resolve
from plugins.text.token_classification.data.reading import AUTO, Reading, Record, Sentence
from plugins.text.token_classification.data.span_forms import read_spans
from plugins.text.token_classification.example import from_text, joined

SAMPLE = 200
"""Number of objects that the names of fields are guessed from."""

Value = tuple[int, Any]
"""The number of a row, and its JSON value or its issue."""


class ObjectReader:
    """Reads the objects of one file or split, which all have the same fields.

    Args:
        name: The name of the file or split.
        values: Its first values.
        reading: The options.
        tag_names: The names of tags that are numbers, by field.

    Raises:
        DataError: It cannot be told which fields hold the sentences.
    """

    def __init__(
        self,
        name: str,
        values: Iterable[Value],
        reading: Reading,
        tag_names: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self._reading = reading
        raw = [value for _, value in islice(values, 10 * SAMPLE) if not isinstance(value, RowIssue)][:SAMPLE]
        self._utf16 = any(_is_studio(each) for each in raw)
        self.fields = self._fields(name, raw)
        self.tag_names = reading.tag_names or tuple(tag_names.get(self.fields.tags, ()))
        self.tool = "Label Studio" if self._utf16 else ""

    def _fields(self, name: str, raw: Sequence[Any]) -> Fields:
        reading, objects = self._reading, list(_objects(raw, self._reading.labeled))
        if self._utf16 and reading.labeled and not reading.spans:
            whole = any(label_studio.SPANS in each for each in objects)
            reading = replace(reading, spans=label_studio.SPANS if whole else label_studio.short_field(objects))
        return find_fields(name, objects, reading)

    def records(self, values: Iterable[Value], split: int) -> Iterator[Record]:
        """Yield the sentences of numbered values, or their issues. `split` is theirs if no field names it."""
        for number, value in values:
            if isinstance(value, RowIssue):
                yield number, value
                continue
            try:
                yield number, self._sentence(as_object(value, self._reading.labeled), split)
            except BadRowError as error:
                yield number, error.issue

    def _sentence(self, value: Mapping[str, Any], split: int) -> Sentence:
        group = None
        if self._reading.labeled and self._reading.split:
            split = _split(value.get(self._reading.split))
        if self._reading.labeled and self._reading.group:
            given = value.get(self._reading.group)
            group = None if given in (None, "") else str(given)
        if self.fields.tokens:
            return self._tagged(value, split, group)
        return self._annotated(value, split, group)

    def _tagged(self, value: Mapping[str, Any], split: int, group: str | None) -> Sentence:
        words = [word_text(each, at) for at, each in enumerate(_listed(value, self.fields.tokens), start=1)]
        if not words:
            raise BadRowError(EMPTY)
        tags = None
        if self._reading.labeled and value.get(self.fields.tags) is not None:
            listed = _listed(value, self.fields.tags)
            if len(listed) != len(words):
                raise BadRowError("unequal_lengths", f"the sentence has {len(words)} words and {len(listed)} tags")
            tags = tuple(tag_name(each, at, self.tag_names) for at, each in enumerate(listed, start=1))
        example = joined(words)
        return Sentence(example.text, example.words, tags, False, split, group)

    def _annotated(self, value: Mapping[str, Any], split: int, group: str | None) -> Sentence:
        text = value.get(self.fields.text)
        if not isinstance(text, str):
            what = "is missing" if text is None else f"is a {type(text).__name__}"
            code = "missing_field" if text is None else "not_a_text"
            raise BadRowError(code, f"the field {self.fields.text!r} {what}")
        if not text.strip():
            raise BadRowError(EMPTY)
        words = self._words(text, value.get("tokens"))
        if not words:  # only invisible characters
            raise BadRowError(EMPTY)
        if not self._reading.labeled or (spans := self._spans(value)) is None:
            return Sentence(text, words, None, False, split, group)
        usual = UTF16 if self._utf16 else CHARACTERS
        spans = resolve(text, spans, words, self._reading.offsets, usual)
        tags, notes = align(text, words, spans, self._reading.expand)
        return Sentence(text, words, tuple(tags), True, split, group, tuple(notes))

    def _words(self, text: str, tokens: Any) -> tuple[tuple[int, int], ...]:
        """Return the words that the data itself marks in a text, as Prodigy does, or those that Graft finds."""
        if not isinstance(tokens, list) or not all(isinstance(each, Mapping) for each in tokens) or not tokens:
            return from_text(text).words
        given = read_spans([{**each, "label": "token"} for each in tokens])
        unit = CHARACTERS if self._reading.offsets == AUTO else self._reading.offsets
        found = in_characters(text, given, unit)
        words = [(each.start, each.end) for each in found or () if text[each.start : each.end].strip()]
        if not words or any(start >= end for start, end in words) or any(b[0] < a[1] for a, b in pairwise(words)):
            raise BadRowError("bad_span", "the tokens do not fit the text")
        return tuple(words)

    def _spans(self, value: Mapping[str, Any]) -> list[LabeledSpan] | None:
        """Return the spans of a text; None if nobody has annotated it."""
        name = self.fields.spans
        if name in value:
            found = value[name]
            return None if found is None and name == label_studio.SPANS else read_spans(found)
        if label_studio.is_short_task(value) or value.get("answer") == "accept":
            # an annotation without spans has no such field
            return []
        raise BadRowError("missing_field", f"the field {name!r} is missing")


def as_object(value: Any, labeled: bool = True) -> dict[str, Any]:
    """Return a JSON value as an object with fields.

    Args:
        value: The value.
        labeled: Whether its spans are needed, so that those which the annotator did not accept are refused.

    Raises:
        BadRowError: It is neither an object nor a text with an object, or its annotator did not accept it.
    """
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], Mapping):
        return {"text": value[0], **value[1]}  # as spaCy 2 was trained on
    if not isinstance(value, Mapping):
        raise BadRowError("broken_json", f"the row is {repr(value)[:40]}, which is not a JSON object")
    if label_studio.is_task(value):
        return label_studio.as_object(value) if labeled else dict(value["data"])
    if labeled and value.get("answer") in ("reject", "ignore"):  # of Prodigy
        raise BadRowError("unaccepted_answers")
    return dict(value)


def _is_studio(value: Any) -> bool:
    return isinstance(value, Mapping) and (label_studio.is_task(value) or label_studio.is_short_task(value))


def _objects(values: Iterable[Any], labeled: bool) -> Iterator[dict[str, Any]]:
    """Yield the values that are objects with fields."""
    for value in values:
        try:
            yield as_object(value, labeled)
        except BadRowError:
            continue


def _listed(value: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = value.get(name)
    if isinstance(found, list):
        return found
    what = "is missing" if found is None else f"is a {type(found).__name__}, not a list"
    raise BadRowError("missing_field", f"the field {name!r} {what}")


def word_text(value: Any, number: int) -> str:
    """Return a word; numbers are written as text.

    Raises:
        BadRowError: It is not a text, or has no visible character.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BadRowError("not_a_text", f"word {number} is {repr(value)[:40]}, not a text")
    if not value.strip():
        raise BadRowError("empty_word", f"word {number} is {'only white space' if value else 'empty'}")
    return value


def tag_name(value: Any, number: int, names: Sequence[str]) -> str:
    """Return the name of the tag of a word.

    Args:
        value: A name, a number, or the number as text.
        number: The number of the word, from 1.
        names: The names of tags that are numbers.

    Raises:
        BadRowError: The tag is missing, or a number without a name.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        raise BadRowError("missing_tag", f"word {number} has no tag")
    if isinstance(value, str) and (value in names or not (names and value.isdecimal())):
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BadRowError("missing_tag", f"the tag of word {number} is {repr(value)[:40]}, not a name")
    index = int(value)
    if not 0 <= index < len(names):
        known = f"there are names for {len(names)}" if names else "the data has no names for them"
        raise BadRowError("unknown_tag_number", f"the tag of word {number} is the number {index}, and {known}")
    return names[index]


def _split(value: Any) -> int:
    split = files.SPLIT_NAMES.get(str(value).strip().lower(), UNDECIDED)
    if split == UNDECIDED:
        raise BadRowError("unknown_split", f"{value!r} is not the name of a split")
    return split
