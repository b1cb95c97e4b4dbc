"""The issues of rows, with cures."""

from __future__ import annotations

from core.data.files import BLANK, CURES
from core.issues import RowIssue

VERY_SHORT = 2
"""Texts with at most this many characters get a note."""

_CURES = {
    **CURES,
    "ragged_row": "Quote texts that contain the separator, or set data.separator or data.quoting.",
    "broken_quote": "Close the quote, double quotes inside a text, or set data.quoting=none.",
    "empty_text": "Give the row a text, or remove it.",
    "not_a_text": "Check which column holds the text (data.text).",
    "unknown_split": "Use train, val (validation, dev) or test.",
    "not_zero_or_one": "Columns of data.label_columns must contain 0 or 1.",
    "no_image": "Give the row the path of an image file (data.image names the column), or remove it.",
    "path_outside": "Set data.root to a folder that contains all images, or move the image.",
    "no_class_folder": "Move it into the folder of its class, or remove it.",
    "empty_class_folder": "Put images into it, or remove it.",
    "unreadable_folder": "Check its permissions.",
    "undecodable_name": "Rename the file.",
}


def bad(code: str, message: str) -> RowIssue:
    """Return an issue that makes a row unusable."""
    return RowIssue(code, message, _CURES[code])


SHORT = RowIssue("very_short_texts", f"the text has {VERY_SHORT} characters or fewer", level="note")
LEVELS = {each.code: each for each in (BLANK, SHORT)}


def restore(code: str, message: str) -> RowIssue:
    """Return the issue that was stored as a code and a message."""
    return LEVELS[code] if code in LEVELS else bad(code, message)
