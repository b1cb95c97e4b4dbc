"""Windows: each word has one token, in the window with the most context; nothing is cut off or counted twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from plugins.text.backbones.encoders import ARCHITECTURES
from plugins.text.compact import train_tokenizer
from plugins.text.token_classification.example import TokenExample, from_text, joined
from plugins.text.token_classification.tag_set import TagSet
from plugins.text.token_classification.windows import IGNORED, collate, locate, prepare

TAGS = TagSet(("O", "B-x", "I-x"))
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
TEXTS = [f"word{n % 7} and other{n % 5} things x{n} number {n} {ALPHABET[n % 26]}q" for n in range(99)]


def tokenizer(architecture: str, length: int) -> Any:
    return train_tokenizer(ARCHITECTURES[architecture], TEXTS, 300, length, lowercase=False)


def long_text(words: int) -> TokenExample:
    example = joined(f"word{n % 7}x{n}" for n in range(words))
    return replace(example, target=tuple(n % 3 for n in range(words)))


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_each_word_is_scored_once_at_its_first_token(architecture: str, overlap: float) -> None:
    learned = tokenizer(architecture, 16)
    for words in (0, 1, 2, 5, 30, 100):
        example = long_text(words)
        prepared = prepare(learned, [example], overlap, TAGS)
        text = prepared.fetch(0, 0, None)
        assert len(text.rows) == words
        assert all(len(window) <= 16 for window in text.windows)
        assert len(set(zip(text.rows.tolist(), text.columns.tolist(), strict=True))) == words
        for (start, end), row, column in zip(example.words, text.rows, text.columns, strict=True):
            token = learned.convert_ids_to_tokens([int(text.windows[row][column])])[0]
            piece = learned.convert_tokens_to_string([token]).strip() if architecture == "roberta" else token
            assert example.text[start:end].startswith(piece), (example.text[start:end], token)


def test_the_windows_of_a_text_contain_all_its_tokens() -> None:
    learned = tokenizer("bert", 16)
    example = long_text(60)
    (whole,) = learned([example.text], add_special_tokens=False)["input_ids"]
    text = prepare(learned, [example], 0.5, TAGS).fetch(0, 0, None)
    step = 14 - 7  # two special tokens, and half of the rest is repeated
    rebuilt = [token for window in text.windows[:-1] for token in window[1 : 1 + step].tolist()]
    assert rebuilt + text.windows[-1][1:-1].tolist() == whole


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


def test_a_word_that_the_tokenizer_drops_is_not_learned_and_counted() -> None:
    learned = tokenizer("bert", 32)
    example = from_text("word1 \u0000 word2")
    dropped = TokenExample("word1 \u0007 word2", ((0, 5), (6, 7), (8, 13)), (1, 2, 0))
    prepared = prepare(learned, [replace(example, target=(0,) * len(example.words)), dropped], 0.25, TAGS)
    assert prepared.unread.tolist()[-1] == 1
    assert prepared.fetch(1, 0, None).targets is not None
    assert prepared.fetch(1, 0, None).targets.tolist() == [1, IGNORED, 0]  # type: ignore[union-attr]


def test_all_subwords_learn_the_inside_of_the_span() -> None:
    learned = tokenizer("bert", 64)
    example = replace(joined(["word1zq", "and", "word2zq"]), target=(1, 0, 2))
    first = prepare(learned, [example], 0.25, TAGS).fetch(0, 0, None)
    every = prepare(learned, [example], 0.25, TAGS, all_subwords=True).fetch(0, 0, None)
    assert first.targets is not None
    assert every.targets is not None
    assert first.targets.tolist() == [1, 0, 2]
    assert every.targets[:3].tolist() == [1, 0, 2]
    pieces = len(learned.tokenize(example.text))
    assert len(every.targets) == pieces
    assert set(every.targets[3:].tolist()) == {2}
    assert len(set(every.columns.tolist())) == pieces


def test_without_targets_there_are_none() -> None:
    prepared = prepare(tokenizer("bert", 16), [joined(["word1"]), long_text(3)], 0.25, TAGS)
    assert prepared.targets is None
    assert "targets" not in collate([prepared.fetch(0, 0, None)], 0)


def test_batches_are_padded_and_point_at_the_same_tokens() -> None:
    learned = tokenizer("bert", 16)
    examples = [long_text(30), long_text(0), long_text(2)]
    prepared = prepare(learned, examples, 0.25, TAGS)
    items = [prepared.fetch(row, 0, None) for row in range(3)]
    batch = collate(items, learned.pad_token_id, multiple=8)
    assert batch["input_ids"].shape[1] % 8 == 0
    assert batch["lengths"].tolist() == [30, 0, 2]
    assert batch["attention_mask"].sum() == sum(len(window) for item in items for window in item.windows)
    tokens = [int(item.windows[r][c]) for item in items for r, c in zip(item.rows, item.columns, strict=True)]
    assert batch["input_ids"][batch["rows"], batch["columns"]].tolist() == tokens
    assert prepared.lengths.tolist() == [sum(map(len, item.windows)) for item in items]
    assert prepared.long == 1


def test_a_tokenizer_without_offsets_is_refused() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(ValueError, match="does not report where its tokens are"):
        prepare(Slow(), [joined(["a"])], 0.25, TAGS)
