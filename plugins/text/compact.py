"""A compact encoder or decoder built from scratch, and its tokenizer, learned from the training texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from plugins.text.backbones.encoders import Architecture

DROPOUT = 0.3
"""The default rate; above that of pretrained encoders, because there is little data and no pretraining."""


def train_tokenizer(
    architecture: Architecture, texts: Iterable[str], vocabulary: int, length: int, lowercase: bool = True
) -> Any:
    """Train a tokenizer on texts. The same texts give the same tokenizer.

    Args:
        architecture: Gives the algorithm (WordPiece or byte-level BPE) and the special tokens.
        texts: The training texts.
        vocabulary: Maximum number of tokens to learn.
        length: Maximum number of tokens per text.
        lowercase: Whether to ignore case. A small corpus has too few examples to learn `Great` and `great` separately.
    """
    from transformers import PreTrainedTokenizerFast

    build = _word_pieces if architecture.word_pieces else _byte_pairs
    learned = build(architecture.special_tokens, texts, vocabulary, lowercase)
    roles = _roles(architecture)
    learned.post_processor = _template(roles["cls_token"], roles["sep_token"], architecture, learned)
    inputs = ["input_ids", *(["token_type_ids"] if architecture.segments else []), "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=learned, model_input_names=inputs, model_max_length=length, padding_side="right", **roles
    )


def _roles(architecture: Architecture) -> dict[str, str]:
    """Return the special token of each role, as arguments of a tokenizer."""
    names = {token.strip("[]<>").lower(): token for token in architecture.special_tokens}
    start, end = names.get("cls", "<s>"), names.get("sep", "</s>")
    roles = {"cls_token": start, "sep_token": end, "pad_token": names["pad"], "unk_token": names["unk"]}
    roles |= {"bos_token": start, "eos_token": end}
    return {**roles, "mask_token": names["mask"]} if "mask" in names else roles


def _word_pieces(special: Sequence[str], texts: Iterable[str], vocabulary: int, lowercase: bool) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    corpus = list(texts)
    # The trainer numbers characters within words (`##a`) in hash-map order, which changes from run to run and decides
    # ties. Passing them as special tokens fixes the order, so the same texts give the same tokenizer.
    inner = [f"##{character}" for character in _inner_characters(tokenizer, corpus)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, min_frequency=2, special_tokens=[*special, *inner], show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    learned = Tokenizer(models.WordPiece(tokenizer.get_vocab(), unk_token="[UNK]"))
    for part in ("normalizer", "pre_tokenizer", "decoder"):
        setattr(learned, part, getattr(tokenizer, part))
    learned.add_special_tokens(list(special))
    return learned


def _inner_characters(tokenizer: Any, corpus: Sequence[str]) -> list[str]:
    """Return the characters that can follow another within a word, sorted."""
    characters: set[str] = set()
    for text in corpus:
        characters.update(tokenizer.normalizer.normalize_str(text))
    split = tokenizer.pre_tokenizer.pre_tokenize_str
    return [each for each in sorted(characters) if [word for word, _ in split(f"a{each}")] == [f"a{each}"]]


def _byte_pairs(special: Sequence[str], texts: Iterable[str], vocabulary: int, lowercase: bool) -> Any:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    case = [normalizers.Lowercase()] if lowercase else []
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), *case])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _template(start: str, end: str, architecture: Architecture, tokenizer: Any) -> Any:
    """Return the post-processor that adds special tokens around texts and pairs. RoBERTa has two between a pair."""
    from tokenizers import processors

    second = 1 if architecture.segments else 0
    between = f"{end} {end}" if start == "<s>" else f"{end}:0"
    return processors.TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {between} $B:{second} {end}:{second}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (start, end)],
    )


def compact_config(name: str, architecture: Architecture, options: Any, tokenizer: Any, head: dict[str, Any]) -> Any:
    """Return the configuration of a compact network.

    Args:
        name: The architecture's `model_type`.
        architecture: Facts about that architecture.
        options: The component, with sizes and dropout.
        tokenizer: Gives the vocabulary's size and the ids of special tokens.
        head: Labels and problem type, as entries of the configuration.
    """
    from transformers import AutoConfig

    rate = DROPOUT if options.dropout is None else options.dropout
    ids = {f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ("pad", "cls", "sep", "bos", "eos")}
    return AutoConfig.for_model(
        name,
        vocab_size=len(tokenizer),
        **ids,
        **architecture.sizes(
            options.hidden_size, options.layers, options.attention_heads, int(tokenizer.model_max_length)
        ),
        **dict.fromkeys(architecture.dropouts, rate),
        **architecture.extra,
        **head,
    )
