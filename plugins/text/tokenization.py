"""Tokenize texts once, store the ids in flat arrays (large splits on disk), and stack padded batches."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.files import new_folder
from core.runtime import cache_directory
from core.tasks import OutputSpec, TextExample

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from core.tasks import Targets

CACHED_FROM = 20_000
"""From this number of examples on, tokens are cached on disk and memory-mapped, also by later runs."""
_CHUNK = 1024


class TokenIds(NamedTuple):
    """One example, ready to be stacked.

    Attributes:
        ids: int32 [s], including special tokens.
        second: Where the second segment begins; s if there is none.
        target: int, float, float32 [c], or None.
    """

    ids: NDArray[np.int32]
    second: int
    target: Any


@dataclass
class TokenizedTexts:
    """A split as token ids; a `core.contracts.PreparedDataset`.

    Attributes:
        flat: int32, the concatenated ids of all texts.
        offsets: int64 [n + 1], where each text begins.
        seconds: int64 [n], where each text's second segment begins, counted from the text's start.
        truncated: int64, indices of the examples that were longer than allowed.
        targets: As `OutputSpec.stack` returns them, or None if unknown.
        lengths: Number of tokens per example, int64 [n].
    """

    flat: NDArray[np.int32]
    offsets: NDArray[np.int64]
    seconds: NDArray[np.int64]
    truncated: NDArray[np.int64]
    targets: Targets | None = None
    lengths: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.lengths = np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> TokenIds:
        """Return the ids and target of one example; the same in every epoch."""
        ids = self.flat[self.offsets[index] : self.offsets[index + 1]]
        return TokenIds(ids, int(self.seconds[index]), None if self.targets is None else self.targets[index])


def prepare(
    tokenizer: Any, examples: Sequence[TextExample], max_length: int, fingerprint: str, output: OutputSpec
) -> TokenizedTexts:
    """Tokenize a split, or read it from the cache.

    Args:
        tokenizer: A tokenizer of transformers.
        examples: The split.
        max_length: Maximum number of tokens per text or pair; in a pair, the longer text is truncated.
        fingerprint: The splits' fingerprint, a part of the cache key.
        output: The task's output.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # avoids a warning at each fork of a data worker
    targets = [example.target for example in examples]
    known = bool(targets) and all(each is not None for each in targets)
    encoded = output.stack(targets) if known else None
    if len(examples) < CACHED_FROM:
        return TokenizedTexts(*_tokenize_in_memory(tokenizer, examples, max_length), encoded)
    key = _key(tokenizer, examples, max_length, fingerprint)
    return TokenizedTexts(*_cached(key, tokenizer, examples, max_length), encoded)


_Arrays = tuple["NDArray[np.int32]", "NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.int64]"]


def _tokenize_in_memory(tokenizer: Any, examples: Sequence[TextExample], max_length: int) -> _Arrays:
    sink = io.BytesIO()
    offsets, seconds, truncated = _tokenize(tokenizer, examples, max_length, sink)
    return np.frombuffer(sink.getbuffer(), dtype=np.int32), offsets, seconds, truncated


def _tokenize(
    tokenizer: Any, examples: Sequence[TextExample], max_length: int, sink: IO[bytes]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Write the ids of all texts to `sink`; return offsets, starts of second segments, and truncated rows."""
    lengths: list[int] = []
    seconds: list[int] = []
    truncated: list[int] = []
    empty_id = _empty_text_id(tokenizer)
    for start in range(0, len(examples), _CHUNK):
        chunk = [examples[row] for row in range(start, min(start + _CHUNK, len(examples)))]
        texts, pairs = _texts(chunk)
        full = _call(tokenizer, texts, pairs, truncation=False)
        long = [row for row, ids in enumerate(full["input_ids"]) if len(ids) > max_length]
        if long:
            short = _call(
                tokenizer,
                [texts[row] for row in long],
                None if pairs is None else [pairs[row] for row in long],
                truncation="longest_first",
                max_length=max_length,
            )
            for position, row in enumerate(long):
                for name in full:
                    full[name][row] = short[name][position]
        ids = full["input_ids"] = [each or [empty_id] for each in full["input_ids"]]
        lengths += map(len, ids)
        segments = full.get("token_type_ids")
        seconds += map(len, ids) if segments is None else [len(each) - sum(each) for each in segments]
        truncated += [start + row for row in long]
        sink.write(np.concatenate([np.asarray(each, dtype=np.int32) for each in ids]).tobytes())
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    return offsets, np.asarray(seconds, dtype=np.int64), np.asarray(truncated, dtype=np.int64)


def _empty_text_id(tokenizer: Any) -> int:
    """Return the id to use for an empty text, for which some tokenizers return no ids."""
    known = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    return next(int(each) for each in (*known, 0) if each is not None)


def _texts(chunk: Sequence[TextExample]) -> tuple[list[str], list[str] | None]:
    texts = [example.text for example in chunk]
    if all(example.pair is None for example in chunk):
        return texts, None
    return texts, [example.pair or "" for example in chunk]


def _call(tokenizer: Any, texts: list[str], pairs: list[str] | None, **how: Any) -> dict[str, list[list[int]]]:
    """Return ids, and segments if there are pairs and the model distinguishes them."""
    segments = pairs is not None and "token_type_ids" in tokenizer.model_input_names
    given = tokenizer(
        texts,
        pairs,
        padding=False,
        verbose=False,
        return_attention_mask=False,
        return_token_type_ids=segments,
        **how,
    )
    return {name: given[name] for name in (("input_ids", "token_type_ids") if segments else ("input_ids",))}


# --- the cache ------------------------------------------------------------------------------------------------------


def _key(tokenizer: Any, examples: Sequence[TextExample], max_length: int, fingerprint: str) -> str:
    """Return a hash of everything that the ids depend on."""
    digest = hashlib.sha256(json.dumps(["1", fingerprint, len(examples), max_length]).encode())
    backend = getattr(tokenizer, "backend_tokenizer", None)
    digest.update((backend.to_str() if backend else json.dumps(tokenizer.get_vocab(), sort_keys=True)).encode())
    for example in _iterate(examples):
        digest.update(json.dumps([example.text, example.pair]).encode())
    return digest.hexdigest()[:32]


def _iterate(examples: Sequence[TextExample]) -> Iterator[TextExample]:
    return (examples[row] for row in range(len(examples)))


def _cached(key: str, tokenizer: Any, examples: Sequence[TextExample], max_length: int) -> _Arrays:
    """Return memory-mapped arrays from the cache, written first if missing; in memory if that fails."""
    folder = cache_directory() / "tokens" / key
    try:
        if not folder.is_dir():
            _write(folder, lambda sink: _tokenize(tokenizer, examples, max_length, sink))
        return _read(folder)
    except (OSError, ValueError):  # a full or read-only disk, or a damaged file
        return _tokenize_in_memory(tokenizer, examples, max_length)


def _write(folder: Path, tokenize: Callable[[IO[bytes]], tuple[NDArray[np.int64], ...]]) -> None:
    """Write the arrays into a new folder of the cache."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(folder, shared=True) as aside:
        with (aside / "flat.int32").open("wb") as sink:
            arrays = tokenize(sink)
        for name, array in zip(("offsets", "seconds", "cut"), arrays, strict=True):
            np.save(aside / f"{name}.npy", array)


def _read(folder: Path) -> _Arrays:
    offsets, seconds, truncated = (np.load(folder / f"{name}.npy") for name in ("offsets", "seconds", "cut"))
    flat = np.memmap(folder / "flat.int32", dtype=np.int32, mode="r")
    if len(flat) != offsets[-1]:
        raise ValueError(f"{folder} is damaged")
    return flat, offsets, seconds, truncated


# --- batches --------------------------------------------------------------------------------------------------------


def collate(items: Sequence[TokenIds], pad_id: int, segments: bool, multiple: int = 1) -> dict[str, Tensor]:
    """Stack examples, padded on the right to the longest.

    Args:
        items: Examples as `fetch` returns them.
        pad_id: The id of the padding token.
        segments: Whether to return `token_type_ids`.
        multiple: Pad to a multiple of this length.

    Returns:
        `input_ids` and `attention_mask`, int64 [b, s]; with `segments`, `token_type_ids`, int64 [b, s]; and `targets`,
        int64 [b], float32 [b] or float32 [b, c], if known.
    """
    import torch

    lengths = np.fromiter((len(item.ids) for item in items), dtype=np.int64, count=len(items))
    width = -(-int(lengths.max()) // multiple) * multiple
    columns = np.arange(width)
    mask = columns < lengths[:, None]
    ids = np.full(mask.shape, pad_id, dtype=np.int64)
    ids[mask] = np.concatenate([item.ids for item in items])
    batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask.astype(np.int64))}
    if segments:
        seconds = np.fromiter((item.second for item in items), dtype=np.int64, count=len(items))
        batch["token_type_ids"] = torch.from_numpy(((columns >= seconds[:, None]) & mask).astype(np.int64))
    if items[0].target is not None:
        batch["targets"] = torch.from_numpy(np.stack([np.asarray(item.target) for item in items]))
    return batch
