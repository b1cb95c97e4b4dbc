"""Turn spans of a text into tags of its words."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from plugins.text.token_classification.data.faults import BadRowError
from plugins.text.token_classification.data.offsets import LabeledSpan, Words
from plugins.text.token_classification.tag_set import Span, tags_of
from plugins.text.token_classification.words import strip


def align(text: str, words: Words, spans: Sequence[LabeledSpan], expand: bool) -> tuple[list[str], list[str]]:
    """Return the IOB2 tags of words, and the code of a note for each span that was changed.

    Args:
        text: The text.
        words: Where each word starts and ends, in characters, in order.
        spans: Spans with offsets in characters.
        expand: Whether a span that cuts a word is extended to whole words.

    Raises:
        BadRowError: A span is empty, overlaps another one, or cuts a word.
    """
    notes: list[str] = []
    distinct: dict[tuple[int, int, str], None] = {}
    for each in spans:
        start, end = _trimmed(text, each)
        if (start, end) != (each.start, each.end):
            notes.append("spans_trimmed")
        if (start, end, each.label) in distinct:
            notes.append("spans_repeated")
        distinct[start, end, each.label] = None
    found: list[Span] = []
    before: tuple[int, int, str] | None = None
    for span in sorted(distinct):
        if before is not None and span[0] < before[1]:
            raise BadRowError("overlapping_spans", f"the spans {_shown(before)} and {_shown(span)} overlap")
        before = span
        first, last, whole = _words_of(words, *span[:2])
        if not whole:
            if not expand:
                cut = text[words[first][0] : words[last - 1][1]]
                what = f"the span {_shown(span)}, {text[span[0] : span[1]][:40]!r}, cuts a word of {cut[:60]!r}"
                raise BadRowError("span_cuts_word", what)
            notes.append("spans_extended")
        if found and first < found[-1].end:
            message = f"the span {_shown(span)} and the one before it have a word in common"
            raise BadRowError("overlapping_spans", message)
        found.append(Span(first, last, span[2]))
    return tags_of(found, len(words)), notes


def _trimmed(text: str, span: LabeledSpan) -> tuple[int, int]:
    """Return where a span starts and ends without white space and invisible characters."""
    inner = text[span.start : span.end]
    visible = strip(inner)
    if span.start >= span.end or not visible:
        what = "only white space" if inner else "empty"
        raise BadRowError("empty_span", f"the span {span.start}-{span.end} ({span.label}) is {what}")
    start = span.start + inner.index(visible)
    return start, start + len(visible)


def _words_of(words: Words, start: int, end: int) -> tuple[int, int, bool]:
    """Return the first word that a span touches, the one after the last, and whether it consists of whole words."""
    first = bisect_right(words, start, key=lambda word: word[1])
    last = bisect_left(words, end, key=lambda word: word[0])
    if first >= last:  # between words, which only the data's own tokens allow
        raise BadRowError("bad_span", f"the span {start}-{end} contains no word")
    return first, last, words[first][0] == start and words[last - 1][1] == end


def _shown(span: tuple[int, int, str]) -> str:
    return f"{span[0]}-{span[1]} ({span[2]})"
