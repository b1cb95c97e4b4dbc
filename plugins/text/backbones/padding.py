"""Prepares a decoder's tokenizer for classification: a padding token and side, a separator for pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import Problem, WeightsError
from core.tasks import TextExample

MEANT_FOR_PADDING = ("<|finetune_right_pad_id|>", "<pad>", "<|pad|>", "[PAD]", "<|endoftext|>", "<unk>")
"""Tokens that a vocabulary may hold for the purpose though its tokenizer does not say so, the best first."""


def settle(tokenizer: Any, config: Any, folder: Path) -> None:
    """Make tokenizer and configuration agree on the padding token, and pad on the right. Both are saved.

    transformers finds the last token of a text as the last that is not the padding token, so that a token with which
    the tokenizer ends texts cannot be it.

    Args:
        tokenizer: Changed in place.
        config: Of the network; changed in place.
        folder: For messages.

    Raises:
        WeightsError: There is no token to pad with.
    """
    vocabulary = tokenizer.get_vocab()
    ending = tokenizer("a").input_ids[-1:]
    named = (tokenizer.pad_token, *MEANT_FOR_PADDING, tokenizer.eos_token)
    fit = [token for token in named if token in vocabulary and vocabulary[token] not in ending]
    if not fit:
        message = f"the tokenizer in {folder} has no token to pad with, and none that could serve."
        cure = "Add one where the checkpoint is from: tokenizer.add_special_tokens({'pad_token': '<pad>'})."
        raise WeightsError(Problem("model.checkpoint", message, cure))
    if tokenizer.pad_token != fit[0]:
        tokenizer.pad_token = fit[0]
    tokenizer.padding_side = "right"
    config.pad_token_id = tokenizer.pad_token_id


def separate_pairs(tokenizer: Any, examples: Sequence[TextExample]) -> None:
    """Put a separator between the two texts of a pair, if the tokenizer has none.

    It becomes part of the saved tokenizer, so that every tool that opens the model does the same.

    Args:
        tokenizer: Changed in place.
        examples: The training split; the first says whether there are pairs.
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
