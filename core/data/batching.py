"""Which examples make up each step: an order that is a function of (seed, epoch), and streams of ready batches.

Nothing here keeps state: the batch of step k can be computed without the batches before it, so workers, their number,
and resuming cannot change what a run sees.
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
"""Batches are sorted by length within windows of so many: enough to save padding, few enough to stay random."""


@dataclass(frozen=True)
class MicroBatch:
    """What one forward pass takes.

    Attributes:
        tensors: The collated batch, on the CPU.
        size: Examples in it.
        share: What its summed loss is divided by: the examples of the whole step, over all processes.
    """

    tensors: dict[str, Tensor]
    size: int
    share: int


@lru_cache(maxsize=4)
def _order(lengths: bytes, batch_size: int, seed: int, epoch: int, bucket: bool) -> list[NDArray[np.int64]]:
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
    """The batches of an epoch: every example once, in a random order; of like length where `bucket`.

    Args:
        lengths: int64 [n], the cost of each example.
        batch_size: Examples in a batch; the last one made may be smaller.
        seed: The run's seed.
        epoch: The epoch's number, from 0.
        bucket: Whether examples are sorted by length within windows, and the batches then shuffled.
    """
    costs = np.ascontiguousarray(lengths, dtype=np.int64) if bucket else np.zeros(len(lengths), dtype=np.int64)
    return _order(costs.tobytes(), batch_size, seed, epoch, bucket)


def example_rng(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The generator of one example's augmentation: a function of nothing but these three."""
    return np.random.default_rng((seed, epoch, index))


@dataclass
class Steps(Dataset[list[MicroBatch]]):
    """The micro-batches of each optimizer step, by the step's number: what this process has to compute.

    Attributes:
        model: Collates.
        prepared: The training examples.
        batch_size: Examples in a step, over all processes.
        micro_batch_size: Examples in a forward pass.
        seed: The run's seed.
        bucket: Whether batches are of like length.
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
        """Steps in an epoch."""
        return -(-len(self.prepared) // self.batch_size)

    def __getitem__(self, step: int) -> list[MicroBatch]:
        epoch, position = divmod(step, self.per_epoch)
        batches = epoch_batches(self.prepared.lengths, self.batch_size, self.seed, epoch, self.bucket)
        everyone = batches[position]
        mine = everyone[self.rank :: self.world]
        if not len(mine):  # fewer examples than processes: take one along, at no weight
            return [self._collate(everyone[:1], epoch, share=0)]
        size = self.micro_batch_size
        chunks = [mine[start : start + size] for start in range(0, len(mine), size)]
        return [self._collate(chunk, epoch, share=len(everyone)) for chunk in chunks]

    def _collate(self, indices: NDArray[np.int64], epoch: int, share: int) -> MicroBatch:
        items = [self.prepared.fetch(int(i), epoch, example_rng(self.seed, epoch, int(i))) for i in indices]
        return MicroBatch(self.model.collate(items), len(items), share)

    def stream(self, start: int, end: int, workers: int) -> Iterator[list[MicroBatch]]:
        """The micro-batches of steps `start` to `end`, fetched ahead by `workers` processes where that is above 0."""
        if workers == 0:
            return (self[step] for step in range(start, end))
        return _ahead(self, range(start, end), workers)


@dataclass
class _Batches(Dataset["tuple[NDArray[np.int64], dict[str, Any]]"]):
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
    """Every example once, longest first, so that little is padded and memory peaks at once; with its indices.

    Args:
        model: Collates.
        prepared: The examples.
        batch_size: Examples in a batch.
        indices: Which examples, or None for all.
        workers: See `worker_count`.
    """
    chosen = np.arange(len(prepared)) if indices is None else indices
    order = chosen[np.argsort(-prepared.lengths[chosen], kind="stable")]
    rows = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    batches, count = _Batches(model, prepared, rows), min(worker_count(workers, prepared), len(rows))
    if count == 0:
        return (batches[number] for number in range(len(rows)))
    return _ahead(batches, range(len(rows)), count)


def worker_count(asked: int | None, prepared: PreparedDataset) -> int:
    """Processes that fetch: as asked; where nothing was, one a core if fetching is costly, else none."""
    if asked is not None:
        return asked
    return min(8, os.cpu_count() or 1) if isinstance(prepared, NeedsWorkers) and prepared.needs_workers else 0


def _ahead(items: Dataset[Any], numbers: Sequence[int], workers: int) -> Iterator[Any]:
    """Items by number, in order, made ahead by worker processes."""
    own = torch.Generator().manual_seed(0)  # else the loader would draw from the one that dropout draws from
    loader = DataLoader(items, batch_size=None, sampler=numbers, num_workers=workers, prefetch_factor=4, generator=own)
    return iter(loader)
