"""What the offsets of spans count: characters, bytes of UTF-8, or units of UTF-16 as in JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from plugins.text.token_classification.data.faults import BadRowError
from plugins.text.token_classification.data.reading import AUTO

CHARACTERS, BYTES, UTF16 = "characters", "bytes", "utf16"
OFFSETS = (AUTO, CHARACTERS, BYTES, UTF16)

Words = Sequence[tuple[int, int]]


class LabeledSpan(NamedTuple):
    """A part of a text with a label.

    Attributes:
        start, end: Where it starts and ends.
        label: Its label.
        text: The text that the data shows beside it; None if it shows none.
    """

    start: int
    end: int
    label: str
    text: str | None = None


def in_characters(text: str, spans: Sequence[LabeledSpan], unit: str) -> list[LabeledSpan] | None:
    """Return spans with offsets in characters; None if an offset is outside of the text or within a character."""
    if unit == CHARACTERS or text.isascii():
        return list(spans) if all(each.start >= 0 and each.end <= len(text) for each in spans) else None
    sizes = (_bytes(each) if unit == BYTES else 1 + (each > "\uffff") for each in text)
    number = {offset: at for at, offset in enumerate(accumulate(sizes, initial=0))}
    if not all(each.start in number and each.end in number for each in spans):
        return None
    return [each._replace(start=number[each.start], end=number[each.end]) for each in spans]


def _bytes(character: str) -> int:
    return 1 + (character > "\x7f") + (character > "\u07ff") + (character > "\uffff")


def resolve(text: str, spans: Sequence[LabeledSpan], words: Words, wanted: str, usual: str) -> list[LabeledSpan]:
    """Return spans with offsets in characters.

    Args:
        text: The text.
        spans: Spans with offsets as the data has them.
        words: The words of the text, in characters.
        wanted: What the user says that offsets count, or `auto`.
        usual: What they count in data of this form.

    Raises:
        BadRowError: Offsets lie outside of the text, do not fit the texts that the data shows beside the spans, or seem
            to count something else.
    """
    if wanted != AUTO:
        return _fitting(text, spans, wanted)
    if any(each.text is not None for each in spans):
        for unit in dict.fromkeys((usual, CHARACTERS, UTF16, BYTES)):
            found = in_characters(text, spans, unit)
            if found is not None and not _different(text, found):
                return found
        return _fitting(text, spans, usual)
    if usual == CHARACTERS and not text.isascii() and not _on_words(text, in_characters(text, spans, usual), words):
        for unit in (BYTES, UTF16):
            if _on_words(text, in_characters(text, spans, unit), words):
                message = f"the offsets of the spans fit the words only if they count {_NAMES[unit]}"
                raise BadRowError(f"offsets_in_{unit}", message)
    return _fitting(text, spans, usual)


_NAMES = {CHARACTERS: "characters", BYTES: "bytes", UTF16: "UTF-16 units"}


def _fitting(text: str, spans: Sequence[LabeledSpan], unit: str) -> list[LabeledSpan]:
    found = in_characters(text, spans, unit)
    if found is None:
        wrong = next(each for each in spans if in_characters(text, [each], unit) is None)
        where = "outside of the text" if unit == CHARACTERS else "outside of the text, or within a character"
        size = len(text) if unit == CHARACTERS else len(text.encode("utf-8" if unit == BYTES else "utf-16-le"))
        size = size // 2 if unit == UTF16 else size
        what = f"the span {wrong.start}-{wrong.end} ({wrong.label}) is {where}, which has {size} {_NAMES[unit]}"
        raise BadRowError("span_outside", what)
    if wrongs := _different(text, found):
        (start, end, label, shown), actual = wrongs[0], text[wrongs[0].start : wrongs[0].end]
        message = f"the text of the span {start}-{end} ({label}) is {actual[:40]!r}, but the data says {shown!r:.60}"
        raise BadRowError("span_text_differs", message)
    return found


def _different(text: str, spans: Sequence[LabeledSpan]) -> list[LabeledSpan]:
    """Return the spans whose text is not what the data shows beside them, apart from white space."""
    return [
        each
        for each in spans
        if each.text is not None and text[each.start : each.end].split() != each.text.replace("\\n", " ").split()
    ]


def _on_words(text: str, spans: Sequence[LabeledSpan] | None, words: Words) -> bool:
    """Return whether all spans, without white space at their ends, consist of whole words."""
    if spans is None:
        return False
    starts, ends = {start for start, _ in words}, {end for _, end in words}
    for start, end, *_ in spans:
        inner = text[start:end]
        first, last = start + len(inner) - len(inner.lstrip()), end - len(inner) + len(inner.rstrip())
        if first not in starts or last not in ends:
            return False
    return True
