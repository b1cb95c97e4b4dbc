"""The tokens of words: the first of each word, in the window with the most context; words that share a token."""

from __future__ import annotations

import numpy as np

from plugins.text.token_classification.word_tokens import locate, shared


def test_a_word_belongs_to_the_window_in_which_it_has_the_most_context() -> None:
    words = np.arange(10)[:, None] * 2 + np.array([0, 1])
    places = [words[:6], words[4:]]  # words 4 and 5 are in both windows
    rows, columns, own = locate(words, places)
    assert rows.tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert columns.tolist() == [0, 1, 2, 3, 4, 1, 2, 3, 4, 5]
    assert own.all()


def test_a_window_that_begins_within_a_word_does_not_stand_for_it() -> None:
    words = np.array([[0, 2], [3, 9]])
    places = [np.array([[0, 2], [3, 5]]), np.array([[5, 7], [7, 9]])]
    rows, columns, _ = locate(words, places)
    assert (rows.tolist(), columns.tolist()) == ([0, 0], [0, 1])


def test_special_tokens_are_never_scored() -> None:
    places = [np.array([[0, 0], [0, 3], [4, 7], [0, 0]])]
    rows, columns, own = locate(np.array([[0, 3], [4, 7]]), places)
    assert (rows.tolist(), columns.tolist(), own.all()) == ([0, 0], [1, 2], True)


def test_words_that_share_a_token_are_both_scored() -> None:
    rows, columns, own = locate(np.array([[0, 1], [1, 2]]), [np.array([[0, 2]])])
    assert (rows.tolist(), columns.tolist(), own.tolist()) == ([0, 0], [0, 0], [True, True])


def test_a_word_shares_the_token_of_the_word_before_it_only_within_one_text() -> None:
    rows, columns = np.array([0, 0, 0, 0]), np.array([1, 1, 2, 2])
    assert shared(rows, columns, [4]).tolist() == [False, True, False, True]
    assert shared(rows, columns, [1, 0, 3]).tolist() == [False, False, False, True]
    assert shared(rows[:0], columns[:0], [0]).tolist() == []


def test_a_text_of_many_windows_takes_no_time_per_pair_of_word_and_window() -> None:
    starts = np.arange(200_000) * 2
    words = np.stack([starts, starts + 1], axis=1)
    places = [words[at : at + 100] for at in range(0, len(words), 75)]
    rows, columns, own = locate(words, places)
    assert own.all()
    assert (words[rows * 75 + columns] == words).all()
