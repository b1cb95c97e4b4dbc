"""Prepares a decoder's tokenizer for classification: a padding token and side, a separator for pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import Problem, WeightsError
from core.tasks import TextExample

MEANT_FOR_PADDING = ("<|finetune_right_pad_id|>", "<pad>", "<|pad|>", "[PAD]", "<|endoftext|>", "<unk>")
"""Tokens that can serve as padding where the tokenizer names no padding token, best first."""


def set_padding(tokenizer: Any, config: Any, folder: Path) -> None:
    """Set the same padding token in tokenizer and configuration, and pad on the right. Both are saved.

    transformers takes the last token that is not padding as the end of a text. The padding token must therefore differ
    from a token that the tokenizer appends to texts.

    Args:
        tokenizer: Changed in place.
        config: The network's configuration; changed in place.
        folder: Named in messages.

    Raises:
        WeightsError: The vocabulary has no token to pad with.
    """
    vocabulary = tokenizer.get_vocab()
    ending = tokenizer("a").input_ids[-1:]
    named = (tokenizer.pad_token, *MEANT_FOR_PADDING, tokenizer.eos_token)
    fit = [token for token in named if token in vocabulary and vocabulary[token] not in ending]
    if not fit:
        message = f"the tokenizer in {folder} has no padding token, and no other token that could serve."
        cure = "Add one to the checkpoint: tokenizer.add_special_tokens({'pad_token': '<pad>'})."
        raise WeightsError(Problem("model.checkpoint", message, cure))
    if tokenizer.pad_token != fit[0]:
        tokenizer.pad_token = fit[0]
    tokenizer.padding_side = "right"
    config.pad_token_id = tokenizer.pad_token_id


def separate_pairs(tokenizer: Any, examples: Sequence[TextExample]) -> None:
    """Add a separator between the two texts of a pair, if the tokenizer adds none.

    The separator is saved with the tokenizer, so every tool that opens the model adds it too.

    Args:
        tokenizer: Changed in place.
        examples: The training split; its first example shows whether there are pairs.
    """
    sign = tokenizer.sep_token or tokenizer.eos_token or tokenizer.bos_token
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not len(examples) or examples[0].pair is None or sign is None or backend is None:
        return
    plain = {"add_special_tokens": False}
    together, first, second = tokenizer("a", "b").input_ids, tokenizer("a", **plain), tokenizer("b", **plain)
    if len(together) > len(tokenizer("a").input_ids) + len(second.input_ids) or not first.input_ids:
        return
    from tokenizers import processors

    between = processors.TemplateProcessing(
        single="$A", pair=f"$A {sign} $B", special_tokens=[(sign, tokenizer.convert_tokens_to_ids(sign))]
    )
    before = backend.post_processor
    backend.post_processor = between if before is None else processors.Sequence([between, before])
