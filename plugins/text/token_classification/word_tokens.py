"""Find the tokens of words by where both are in the text, in overlapping windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_FAR = 1e9
"""More than the number of tokens in a window: a window with a token of the word goes before all others."""


def locate(
    words: NDArray[np.int64], places: Sequence[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the token that stands for each word: the first token of the word, in the window with the most context.

    Args:
        words: Where each word starts and ends in the text, [w, 2], in order.
        places: Where each token starts and ends in the text, [s, 2] per window; equal for special tokens.

    Returns:
        The window and the column of each word's token, int64 [w] each, and whether the token is part of the word. A
        word that the tokenizer drops, such as a control character, shares the token before it.
    """
    rows, columns = np.zeros((2, len(words)), dtype=np.int64)
    best = np.full(len(words), -np.inf)
    own = np.zeros(len(words), dtype=bool)
    for number, of_window in enumerate(places):
        real = np.flatnonzero(of_window[:, 0] < of_window[:, 1])
        if not len(real):
            continue
        tokens, first, last = of_window[real], number == 0, number == len(places) - 1
        # Only these words can have tokens in this window; those before and after all tokens go to the outer windows.
        low = 0 if first else np.searchsorted(words[:, 1], tokens[0, 0], side="right")
        high = len(words) if last else np.searchsorted(words[:, 0], tokens[-1, 1], side="left")
        some = slice(int(low), int(high))
        starts, ends = words[some, 0], words[some, 1]
        at = np.searchsorted(tokens[:, 1], starts, side="right")  # the first token that ends after the word starts
        inside = np.minimum(at, len(real) - 1)
        found = (at < len(real)) & (tokens[inside, 0] < ends)
        token = np.where(found, inside, np.maximum(at - 1, 0))
        left = np.inf if first else token.astype(np.float64)
        right = np.inf if last else (len(real) - 1 - token).astype(np.float64)
        context = np.minimum(left, right) * np.ones(len(token))
        # A window that begins within the word has none of its first token.
        context[(token == 0) & (tokens[token, 0] > starts) & (not first)] = -1.0
        context[~found] -= _FAR
        better = context > best[some]
        best[some][better], own[some][better] = context[better], found[better]
        rows[some][better], columns[some][better] = number, real[token][better]
    return rows, columns, own


def shared(rows: NDArray[np.int64], columns: NDArray[np.int64], lengths: Sequence[int]) -> NDArray[np.bool_]:
    """Return whether each word has the token of the word before it, bool [w].

    Tokens of SentencePiece and of byte-level BPE can span several words, such as Chinese characters or full stops.

    Args:
        rows, columns: The token of each word of one or several texts, [w].
        lengths: Number of words of each text.
    """
    same = np.zeros(len(rows), dtype=bool)
    same[1:] = (rows[1:] == rows[:-1]) & (columns[1:] == columns[:-1])
    starts = np.cumsum([0, *lengths])[:-1]
    same[starts[starts < len(same)]] = False
    return same


def further_tokens(
    words: NDArray[np.int64],
    places: Sequence[NDArray[np.int64]],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    chosen: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the tokens of `chosen` words after the first, in the window of the first: the word and column of each."""
    found: list[tuple[int, int]] = []
    for word in np.flatnonzero(chosen):
        of_window, end = places[rows[word]], words[word, 1]
        column = int(columns[word]) + 1
        while column < len(of_window) and of_window[column, 0] < min(end, of_window[column, 1]):
            found.append((int(word), column))
            column += 1
    pairs = np.asarray(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
