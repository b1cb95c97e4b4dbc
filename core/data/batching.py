"""Order the examples of each epoch and collate them into batches.

The order is a function of the seed and the epoch. Nothing here keeps state: the batch of step k is computed without the
batches before it. So neither the number of workers nor resuming changes which examples a run sees.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from core.contracts.model import PreparedDataset
from core.contracts.protocols import NeedsWorkers

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from core.contracts.model import LoadedModel

BUCKET_BATCHES = 64
"""Batches in a window that is sorted by length: enough to save padding, few enough to stay random."""


@dataclass(frozen=True)
class MicroBatch:
    """The input of one forward pass.

    Attributes:
        tensors: The collated batch, on the CPU.
        size: Number of examples.
        share: The divisor of its summed loss: the examples of the whole step, over all processes.
    """

    tensors: dict[str, Tensor]
    size: int
    share: int


@lru_cache(maxsize=4)
def _shuffled_batches(lengths: bytes, batch_size: int, seed: int, epoch: int, bucket: bool) -> list[NDArray[np.int64]]:
    costs = np.frombuffer(lengths, dtype=np.int64)
    random = np.random.default_rng((seed, epoch, 0xBA7C4))
    order = random.permutation(len(costs))
    if bucket:
        window = batch_size * BUCKET_BATCHES
        windows = [order[start : start + window] for start in range(0, len(order), window)]
        order = np.concatenate([chunk[np.argsort(costs[chunk], kind="stable")] for chunk in windows])
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if bucket:
        batches = [batches[index] for index in random.permutation(len(batches))]
    return batches


def epoch_batches(
    lengths: NDArray[np.int64], batch_size: int, seed: int, epoch: int, bucket: bool
) -> list[NDArray[np.int64]]:
    """Return the batches of an epoch, as indices int64 [b]: every example once, in random order.

    Args:
        lengths: int64 [n], the cost of each example.
        batch_size: Examples in a batch; one batch may be smaller.
        seed: The run's seed.
        epoch: The epoch's number, from 0.
        bucket: Whether to group examples of similar length: sort within windows, then shuffle the batches.
    """
    costs = np.ascontiguousarray(lengths, dtype=np.int64) if bucket else np.zeros(len(lengths), dtype=np.int64)
    return _shuffled_batches(costs.tobytes(), batch_size, seed, epoch, bucket)


def example_rng(seed: int, epoch: int, index: int) -> np.random.Generator:
    """Return the generator for the augmentation of one example; it depends on these three numbers alone."""
    return np.random.default_rng((seed, epoch, index))


@dataclass
class Steps(Dataset[list[MicroBatch]]):
    """The micro-batches that this process computes in each optimizer step, by the step's number.

    Attributes:
        model: Collates the examples.
        prepared: The training examples.
        batch_size: Examples in a step, over all processes.
        micro_batch_size: Examples in a forward pass.
        seed: The run's seed.
        bucket: Whether a batch has examples of similar length.
        rank: This process's number.
        world: Number of processes.
    """

    model: LoadedModel
    prepared: PreparedDataset
    batch_size: int
    micro_batch_size: int
    seed: int
    bucket: bool
    rank: int = 0
    world: int = 1

    @property
    def per_epoch(self) -> int:
        """The number of steps in an epoch."""
        return -(-len(self.prepared) // self.batch_size)

    def __getitem__(self, step: int) -> list[MicroBatch]:
        epoch, position = divmod(step, self.per_epoch)
        batches = epoch_batches(self.prepared.lengths, self.batch_size, self.seed, epoch, self.bucket)
        whole = batches[position]
        mine = whole[self.rank :: self.world]
        if not len(mine):  # fewer examples than processes: compute one with weight 0, so that no process waits
            return [self._collate(whole[:1], epoch, share=0)]
        size = self.micro_batch_size
        chunks = [mine[start : start + size] for start in range(0, len(mine), size)]
        return [self._collate(chunk, epoch, share=len(whole)) for chunk in chunks]

    def _collate(self, indices: NDArray[np.int64], epoch: int, share: int) -> MicroBatch:
        items = [self.prepared.fetch(int(i), epoch, example_rng(self.seed, epoch, int(i))) for i in indices]
        return MicroBatch(self.model.collate(items), len(items), share)

    def stream(self, start: int, end: int, workers: int) -> Iterator[list[MicroBatch]]:
        """Yield the micro-batches of steps `start` to `end` (exclusive), prefetched by `workers` processes if any."""
        if workers == 0:
            return (self[step] for step in range(start, end))
        return _prefetch(self, range(start, end), workers)


@dataclass
class _EvaluationBatches(Dataset["tuple[NDArray[np.int64], dict[str, Any]]"]):
    """The batches of an evaluation, by number."""

    model: LoadedModel
    prepared: PreparedDataset
    rows: list[NDArray[np.int64]]

    def __getitem__(self, number: int) -> tuple[NDArray[np.int64], dict[str, Any]]:
        rows = self.rows[number]
        return rows, self.model.collate([self.prepared.fetch(int(row), 0, None) for row in rows])


def evaluation_batches(
    model: LoadedModel,
    prepared: PreparedDataset,
    batch_size: int,
    indices: NDArray[np.int64] | None = None,
    workers: int | None = None,
) -> Iterator[tuple[NDArray[np.int64], dict[str, Any]]]:
    """Yield the indices int64 [b] and the tensors of each batch: every example once, the longest first.

    This order needs little padding, and memory peaks in the first batch.

    Args:
        model: Collates the examples.
        prepared: The examples.
        batch_size: Examples in a batch.
        indices: The examples to use; None for all.
        workers: See `worker_count`.
    """
    chosen = np.arange(len(prepared)) if indices is None else indices
    order = chosen[np.argsort(-prepared.lengths[chosen], kind="stable")]
    rows = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    batches, count = _EvaluationBatches(model, prepared, rows), min(worker_count(workers, prepared), len(rows))
    if count == 0:
        return (batches[number] for number in range(len(rows)))
    return _prefetch(batches, range(len(rows)), count)


def worker_count(asked: int | None, prepared: PreparedDataset) -> int:
    """Return the number of worker processes: `asked`, or if that is None, one per core (at most 8) for slow fetches."""
    if asked is not None:
        return asked
    return min(8, os.cpu_count() or 1) if isinstance(prepared, NeedsWorkers) and prepared.needs_workers else 0


def _prefetch(items: Dataset[Any], numbers: Sequence[int], workers: int) -> Iterator[Any]:
    """Yield items by number, in order, which worker processes compute in advance."""
    own = torch.Generator().manual_seed(0)  # otherwise the loader draws from the generator that dropout uses
    loader = DataLoader(items, batch_size=None, sampler=numbers, num_workers=workers, prefetch_factor=4, generator=own)
    return iter(loader)
