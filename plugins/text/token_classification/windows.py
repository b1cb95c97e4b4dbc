"""Tokenize texts into windows.

A text that is longer than a window is read in several windows that overlap. Each word belongs to one of them: to the
one in which it has the most context on its shorter side. So no word is cut off, and none counts twice.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from plugins.text.token_classification.example import TokenExample
from plugins.text.token_classification.tag_set import TagSet
from plugins.text.token_classification.word_tokens import further_tokens, locate, shared

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

IGNORED = -100
"""In place of the tag of a token that is not scored; torch's cross-entropy ignores it."""
_CHUNK = 1024


class WindowedText(NamedTuple):
    """One text, ready to be stacked.

    Attributes:
        windows: The token ids of each window, int32 [s] each, including special tokens.
        rows: The window of each scored token, int32 [k]; the first tokens of the words come first, in their order.
        columns: The place of each scored token in its window, int32 [k].
        targets: The tag of each scored token, int32 [k], `IGNORED` for none; or None.
    """

    windows: list[NDArray[np.int32]]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    targets: NDArray[np.int32] | None


@dataclass
class WindowedTexts:
    """A split as windows of token ids; a `core.contracts.PreparedDataset`.

    Attributes:
        flat: int32, the concatenated ids of all windows.
        offsets: int64 [number of windows + 1], where each window begins.
        firsts: int64 [n + 1], the first window of each text.
        rows, columns: int32, the window (counted within the text) and the place of every scored token.
        starts: int64 [n + 1], where the scored tokens of each text begin in `rows` and `columns`.
        targets: int32, the tag of every scored token; None if the tags are unknown.
        unread: int64, indices of the texts with words that have no token, because the tokenizer drops them.
        cut: int64, indices of the texts in which a span begins or ends within a token.
        lengths: Number of tokens per text, over all its windows, int64 [n].
    """

    flat: NDArray[np.int32]
    offsets: NDArray[np.int64]
    firsts: NDArray[np.int64]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    starts: NDArray[np.int64]
    targets: NDArray[np.int32] | None
    unread: NDArray[np.int64]
    cut: NDArray[np.int64]
    lengths: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.lengths = np.diff(self.offsets[self.firsts])

    def __len__(self) -> int:
        return len(self.firsts) - 1

    @property
    def long(self) -> int:
        """The number of texts with more than one window."""
        return int((np.diff(self.firsts) > 1).sum())

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> WindowedText:
        """Return the windows and the scored tokens of one text; the same in every epoch."""
        numbers = range(self.firsts[index], self.firsts[index + 1])
        windows = [self.flat[self.offsets[each] : self.offsets[each + 1]] for each in numbers]
        scored = slice(self.starts[index], self.starts[index + 1])
        targets = None if self.targets is None else self.targets[scored]
        return WindowedText(windows, self.rows[scored], self.columns[scored], targets)


def prepare(
    tokenizer: Any, examples: Sequence[TokenExample], overlap: float, tags: TagSet, all_subwords: bool = False
) -> WindowedTexts:
    """Tokenize a split into windows.

    Args:
        tokenizer: A fast tokenizer of transformers; its `model_max_length` is the length of a window.
        examples: The split.
        overlap: Share of a window that the next window of a text repeats.
        tags: The tags of the task.
        all_subwords: Whether the further tokens of each word are scored too, as for training on all subwords.

    Raises:
        ValueError: The tokenizer does not report where its tokens are in the text.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # avoids a warning at each fork of a data worker
    if not tokenizer.is_fast:
        raise ValueError(f"{type(tokenizer).__name__} does not report where its tokens are in the text")
    parts = _Parts(tags, all_subwords)
    size = int(tokenizer.model_max_length)
    room = size - tokenizer.num_special_tokens_to_add()
    for start in range(0, len(examples), _CHUNK):
        chunk = [examples[row] for row in range(start, min(start + _CHUNK, len(examples)))]
        encoded = tokenizer(
            [example.text for example in chunk],
            truncation=True,
            max_length=size,
            stride=min(int(overlap * room), room - 1),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        owners = np.asarray(encoded["overflow_to_sample_mapping"])
        bounds = np.searchsorted(owners, np.arange(len(chunk) + 1))
        for number, example in enumerate(chunk):
            of_text = range(bounds[number], bounds[number + 1])
            ids = [encoded["input_ids"][each] or [tokenizer.pad_token_id] for each in of_text]
            places = [np.asarray(encoded["offset_mapping"][each], np.int64).reshape(-1, 2) for each in of_text]
            parts.add(example, ids, places)
    return parts.finish()


class _Parts:
    """Collects the windows and the scored tokens of texts."""

    def __init__(self, tags: TagSet, all_subwords: bool) -> None:
        self._tags, self._all, self._known = tags, all_subwords, True
        self._ids: list[NDArray[np.int32]] = []
        self._windows: list[int] = []
        self._rows: list[NDArray[np.int32]] = []
        self._columns: list[NDArray[np.int32]] = []
        self._targets: list[NDArray[np.int32]] = []
        self._unread: list[int] = []
        self._cut: list[int] = []

    def add(self, example: TokenExample, ids: list[list[int]], places: list[NDArray[np.int64]]) -> None:
        """Add one text.

        Args:
            example: The text.
            ids: The token ids of each window.
            places: Where each token starts and ends in the text, [s, 2] per window; equal for special tokens.
        """
        words = np.asarray(example.words, dtype=np.int64).reshape(-1, 2)
        rows, columns, own = locate(words, places)
        if not own.all():
            self._unread.append(len(self._windows))
        targets = self._targets_of(example, own, shared(rows, columns, [len(words)]))
        if self._all and example.target is not None:
            owners, further = further_tokens(words, places, rows, columns, own & (targets != IGNORED))
            continued = np.asarray([self._tags.continued(int(targets[word])) for word in owners], dtype=np.int64)
            rows, columns = np.concatenate([rows, rows[owners]]), np.concatenate([columns, further])
            targets = np.concatenate([targets, continued])
        self._ids += [np.asarray(each, dtype=np.int32) for each in ids]
        self._windows.append(len(ids))
        self._rows.append(rows.astype(np.int32))
        self._columns.append(columns.astype(np.int32))
        self._targets.append(targets.astype(np.int32))

    def _targets_of(
        self, example: TokenExample, own: NDArray[np.bool_], follows: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Return what the token of each word learns, int64 [w]: of the words that share a token, the first one's tag.

        Args:
            example: The text.
            own: Whether each word has a token, bool [w].
            follows: Whether each word has the token of the word before it, bool [w].
        """
        if example.target is None:
            self._known = False
            return np.full(len(own), IGNORED)
        tags = example.target
        within = [word for word in np.flatnonzero(follows) if own[word] and own[word - 1]]
        if any(tags[word] != self._tags.continued(tags[word - 1]) for word in within):
            self._cut.append(len(self._windows))
        targets = np.asarray(tags, dtype=np.int64)
        targets[within] = IGNORED
        return np.where(own, targets, IGNORED)

    def finish(self) -> WindowedTexts:
        """Return all texts."""
        return WindowedTexts(
            flat=_flat(self._ids, np.int32),
            offsets=_bounds([len(each) for each in self._ids]),
            firsts=_bounds(self._windows),
            rows=_flat(self._rows, np.int32),
            columns=_flat(self._columns, np.int32),
            starts=_bounds([len(each) for each in self._rows]),
            targets=_flat(self._targets, np.int32) if self._known and self._windows else None,
            unread=np.asarray(self._unread, dtype=np.int64),
            cut=np.asarray(self._cut, dtype=np.int64),
        )


def _flat(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)


def _bounds(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)


def collate(items: Sequence[WindowedText], pad_id: int, multiple: int = 1) -> dict[str, Tensor]:
    """Stack the windows of texts, padded on the right to the longest.

    Args:
        items: Texts as `fetch` returns them.
        pad_id: The id of the padding token.
        multiple: Pad to a multiple of this length.

    Returns:
        `input_ids` and `attention_mask`, int64 [number of windows, s]; `rows` and `columns`, int64 [k], the places of
        the scored tokens of all texts; `lengths`, int64 [b], the number of scored tokens of each text; and `targets`,
        int64 [k], if known.
    """
    import torch

    windows = [window for item in items for window in item.windows]
    lengths = np.asarray([len(window) for window in windows], dtype=np.int64)
    width = -(-int(lengths.max()) // multiple) * multiple
    mask = np.arange(width) < lengths[:, None]
    ids = np.full(mask.shape, pad_id, dtype=np.int64)
    ids[mask] = np.concatenate(windows)
    firsts = _bounds([len(item.windows) for item in items])
    arrays = {
        "input_ids": ids,
        "attention_mask": mask.astype(np.int64),
        "rows": np.concatenate([item.rows + first for item, first in zip(items, firsts, strict=False)]),
        "columns": np.concatenate([item.columns for item in items]),
        "lengths": np.asarray([len(item.rows) for item in items], dtype=np.int64),
    }
    if items[0].targets is not None:
        arrays["targets"] = np.concatenate([item.targets for item in items])
    return {name: torch.from_numpy(array.astype(np.int64, copy=False)) for name, array in arrays.items()}
