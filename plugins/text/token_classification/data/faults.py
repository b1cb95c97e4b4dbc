"""The issues of sentences, their spans and their tags, with cures."""

from __future__ import annotations

from core.data import RowIssue
from core.data.files import BLANK, CURES

EMPTY = "empty_sentences"
"""The code of a sentence without words."""

_OFFSETS = "Set data.offsets to what they count: characters, bytes or utf16."
_CURES = {
    **CURES,
    "ragged_row": "Give each line a word and its tag, and put a blank line between sentences.",
    "missing_field": "Check the names of the fields (data.tokens and data.tags, or data.text and data.spans).",
    "empty_word": "Remove the word and its tag, or give it a text.",
    "missing_tag": "Give each word a tag; O stands for words outside.",
    "unequal_lengths": "Give each word one tag.",
    "unknown_tag_number": "Set data.tag_names to the names of all tags in the order of their numbers.",
    "invalid_tags": "Correct the tags, or set data.scheme to the scheme of the data.",
    "not_a_text": "Check which fields hold the words or the text (data.tokens, data.text).",
    "unknown_split": "Use train, val (validation, dev) or test.",
    "bad_span": "Give each span a start, an end and one label.",
    "empty_span": "Remove the span, or correct its end.",
    "span_outside": _OFFSETS,
    "span_text_differs": _OFFSETS,
    "offsets_in_bytes": "Set data.offsets=bytes.",
    "offsets_in_utf16": "Set data.offsets=utf16.",
    "overlapping_spans": "Keep one of them: each word has one tag.",
    "span_cuts_word": "Correct the span, or set data.align=expand to extend such spans to whole words.",
    "annotations_differ": "Keep one annotation per task, or mark one as ground truth.",
}

_LEVELS = {
    each.code: each
    for each in (
        BLANK,
        RowIssue(EMPTY, "the sentence has no words", level="blank"),
        RowIssue("unaccepted_answers", "the annotator rejected or ignored the text", level="blank"),
        RowIssue("cancelled_annotations", "the annotator skipped the text", level="blank"),
        RowIssue("spans_trimmed", "white space at the ends was left out", level="note", what="span"),
        RowIssue("spans_extended", "it cut a word and was extended to whole words", level="note", what="span"),
        RowIssue("spans_repeated", "it repeats another one and was left out", level="note", what="span"),
    )
}


class BadRowError(Exception):
    """A row that cannot be used, or that is not an example.

    Args:
        code: The code of its issue.
        message: What is wrong; empty for issues whose message is fixed.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message)
        self.issue = restore(code, message)


def restore(code: str, message: str = "") -> RowIssue:
    """Return the issue with a code and a message."""
    return _LEVELS[code] if code in _LEVELS else RowIssue(code, message, _CURES[code])
