"""Windows: each word has one token, in the window with the most context; nothing is cut off or counted twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from plugins.text.backbones.encoders import ARCHITECTURES
from plugins.text.compact import train_tokenizer
from plugins.text.token_classification.example import TokenExample, from_text, joined
from plugins.text.token_classification.tag_set import TagSet
from plugins.text.token_classification.windows import IGNORED, collate, prepare

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


def sentencepiece() -> Any:
    """A tokenizer like that of XLM-R, with tokens of several words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁東京", "▁U.S.", "▁in", "▁", "."]
    learned = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=3, byte_fallback=False))
    learned.pre_tokenizer = pre_tokenizers.Metaspace()
    learned.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=learned, model_max_length=16, **names)


@pytest.mark.parametrize("all_subwords", [False, True])
def test_words_that_share_a_token_are_learned_once(all_subwords: bool) -> None:
    example = replace(from_text("東京 in U.S."), target=(1, 2, 0, 1, 2, 2, 2))
    assert example.surfaces == ["東", "京", "in", "U", ".", "S", "."]
    text = prepare(sentencepiece(), [example], 0.25, TAGS, all_subwords).fetch(0, 0, None)
    assert text.columns[:7].tolist() == [1, 1, 2, 3, 3, 3, 3]
    assert text.targets is not None
    assert text.targets.tolist() == [1, IGNORED, 0, 1, IGNORED, IGNORED, IGNORED]


def test_spans_that_begin_or_end_within_a_token_are_counted() -> None:
    whole = replace(from_text("東京"), target=(1, 2))
    halves = [replace(whole, target=target) for target in ((1, 1), (1, 0), (0, 1))]
    assert prepare(sentencepiece(), [whole, *halves], 0.25, TAGS).cut.tolist() == [1, 2, 3]
