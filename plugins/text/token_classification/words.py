"""Split a text into words: runs of letters, digits and their marks, and each other visible character by itself."""

from __future__ import annotations

import re
import sys
import unicodedata
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


@cache
def _pattern() -> re.Pattern[str]:
    """Return the pattern of a word. Python's `\\w` lacks combining marks, which most words of Hindi or Thai contain."""
    marks = "".join(_ranges([at for at in range(sys.maxunicode + 1) if unicodedata.category(chr(at))[0] == "M"]))
    return re.compile(f"[{_ALONE}][{marks}]*|(?:(?![{_ALONE}])[\\w{marks}{_JOINERS}])+|[^\\s]")


def _ranges(numbers: list[int]) -> list[str]:
    """Return ascending character numbers as ranges of a character class."""
    found: list[list[int]] = []
    for at in numbers:
        if found and at == found[-1][1] + 1:
            found[-1][1] = at
        else:
            found.append([at, at])
    return [f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in found]
