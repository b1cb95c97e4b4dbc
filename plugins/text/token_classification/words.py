"""Split a text into words: runs of letters, digits and their marks, and each other visible character by itself.

Control and format characters that stand alone, such as a zero-width space, are no words: nobody sees them, and most
tokenizers drop them.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable
from functools import cache

_ALONE = (
    "\u3041-\u30ff"  # Hiragana and Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"  # Chinese characters
)
"""Characters of scripts that are written without spaces; each is a word of its own, as for BERT's tokenizers."""
_JOINERS = "\u200c\u200d"


def split_words(text: str) -> tuple[tuple[int, int], ...]:
    """Return where each word of a text starts and ends, in characters.

    A hyphen, an apostrophe or a decimal point is a word of its own: `Paris-based` has three words.
    """
    return tuple(match.span() for match in _pattern().finditer(text))


def strip(text: str) -> str:
    """Return a text without white space and invisible characters at its ends."""
    return text.strip(_characters()[1])


@cache
def _pattern() -> re.Pattern[str]:
    """Return the pattern of a word. Python's `\\w` lacks combining marks, which most words of Hindi or Thai contain."""
    marks, blank = map(_ranges, _characters())
    letter = f"(?![{_ALONE}])[\\w{marks}]"
    return re.compile(f"[{_ALONE}][{marks}]*|{letter}(?:{letter}|[{_JOINERS}])*|[^{blank}]")


@cache
def _characters() -> tuple[str, str]:
    """Return all combining marks; and white space together with control and format characters."""
    marks, blank = [], []
    for each in map(chr, range(sys.maxunicode + 1)):
        category = unicodedata.category(each)
        if category[0] == "M":
            marks.append(each)
        elif category[0] == "Z" or category in ("Cc", "Cf"):
            blank.append(each)
    return "".join(marks), "".join(blank)


def _ranges(characters: Iterable[str]) -> str:
    """Return ascending characters as ranges of a character class."""
    found: list[list[int]] = []
    for at in map(ord, characters):
        if found and at == found[-1][1] + 1:
            found[-1][1] = at
        else:
            found.append([at, at])
    return "".join(f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in found)
