"""What a decoder's tokenizer pads with, and what it puts between the texts of a pair."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from decoder_samples import bare_tokenizer

from core.tasks.text import TextExample
from plugins.text.backbones import padding

PLACE = Path("somewhere")


def settled(tokenizer: Any) -> str:
    config = SimpleNamespace(pad_token_id=None)
    padding.set_padding(tokenizer, config, PLACE)
    assert config.pad_token_id == tokenizer.pad_token_id
    assert tokenizer.padding_side == "right"
    return str(tokenizer.pad_token)


def test_a_token_that_is_meant_for_it_comes_first() -> None:
    tokenizer = bare_tokenizer()
    assert settled(tokenizer) == "<|endoftext|>"
    tokenizer = bare_tokenizer()
    tokenizer.add_tokens(["<|finetune_right_pad_id|>"], special_tokens=True)
    assert settled(tokenizer) == "<|finetune_right_pad_id|>"
    tokenizer.add_special_tokens({"pad_token": "<mine>"})
    assert settled(tokenizer) == "<mine>"


def test_what_ends_every_text_is_not_padding() -> None:
    """transformers would take the token before it for the last."""
    from tokenizers import processors

    tokenizer = bare_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    ending = processors.TemplateProcessing(single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", 1)])
    tokenizer.backend_tokenizer.post_processor = ending
    tokenizer.add_tokens(["<unk>"], special_tokens=True)
    assert settled(tokenizer) == "<unk>"


@pytest.mark.parametrize("paired", [True, False])
def test_a_sign_between_texts_only_where_there_are_pairs_and_none_yet(paired: bool) -> None:
    examples = [TextExample("a", 0, pair="b" if paired else None)]
    tokenizer = bare_tokenizer()
    padding.separate_pairs(tokenizer, examples)
    plain = bare_tokenizer()
    alone, together = tokenizer("a").input_ids, tokenizer("a", "b").input_ids
    assert alone == plain("a").input_ids
    sign = [1] if paired else []
    assert together == [*plain("a").input_ids, *sign, *plain("b").input_ids]
    padding.separate_pairs(tokenizer, examples)
    assert tokenizer("a", "b").input_ids == together
