"""Which examples a run sees, and when: a function of seed and epoch alone."""

from __future__ import annotations

from typing import Any

import graft_toy
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from output_specs import output

from core.contracts.model import LoadedModel, LoadRequest
from core.data.batching import Steps, epoch_batches, evaluation_batches, example_rng
from core.tasks.task import Task

LENGTHS = np.random.default_rng(0).integers(1, 200, size=1000)


def seen(batches: list[NDArray[np.int64]]) -> list[int]:
    return sorted(int(index) for batch in batches for index in batch)


def padding(batches: list[NDArray[np.int64]]) -> int:
    return sum(int((LENGTHS[batch].max() - LENGTHS[batch]).sum()) for batch in batches)


@pytest.mark.parametrize("bucket", [True, False])
def test_every_example_exactly_once_an_epoch(bucket: bool) -> None:
    for n, batch_size in ((1000, 32), (7, 32), (64, 32), (1, 1)):
        batches = epoch_batches(LENGTHS[:n], batch_size, 0, 0, bucket)
        assert seen(batches) == list(range(n))
        assert len(batches) == -(-n // batch_size)


@pytest.mark.parametrize("bucket", [True, False])
def test_the_order_is_a_function_of_seed_and_epoch(bucket: bool) -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in epoch_batches(LENGTHS, 32, seed, epoch, bucket)]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)


def test_buckets_reduce_padding_and_stay_random() -> None:
    bucketed, plain = (epoch_batches(LENGTHS, 32, 0, 0, bucket) for bucket in (True, False))
    assert padding(bucketed) < 0.2 * padding(plain)
    widths = [int(LENGTHS[batch].max()) for batch in bucketed]
    assert widths != sorted(widths)


def model() -> LoadedModel:
    return graft_toy.Toy().load(LoadRequest(output(labels=graft_toy.LABELS)))


def steps(n: int = 50, batch_size: int = 16, micro: int = 16, **more: Any) -> Steps:
    loaded = model()
    examples = graft_toy.Words(examples=n).load(Task(), 0).train
    return Steps(loaded, loaded.prepare(examples, True), batch_size, micro, 0, True, **more)


def test_workers_change_nothing() -> None:
    alone, helped = (list(steps().stream(0, 7, workers)) for workers in (0, 2))
    assert len(alone) == len(helped) == 7
    for one, other in zip(alone, helped, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            assert (mine.size, mine.share) == (theirs.size, theirs.share)
            for name, tensor in mine.tensors.items():
                assert torch.equal(tensor, theirs.tensors[name])


def test_workers_leave_the_generator_that_dropout_draws_from_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(steps().stream(0, 2, 2))
    assert torch.equal(before, torch.get_rng_state())


def test_a_stream_that_starts_later_goes_on_as_the_first_would_have() -> None:
    whole, tail = list(steps().stream(0, 9, 0)), list(steps().stream(5, 9, 0))
    for one, other in zip(whole[5:], tail, strict=True):
        assert torch.equal(one[0].tensors["bags"], other[0].tensors["bags"])


def test_micro_batches_cover_the_step() -> None:
    (step,) = list(steps(micro=6).stream(0, 1, 0))
    assert [micro.size for micro in step] == [6, 6, 4]
    assert {micro.share for micro in step} == {16}
    whole = steps()[0][0].tensors["bags"]
    assert torch.equal(torch.cat([micro.tensors["bags"] for micro in step]), whole)


def test_two_processes_share_every_step_and_an_empty_share_weighs_nothing() -> None:
    halves = [steps(n=33, rank=rank, world=2) for rank in (0, 1)]
    alone = steps(n=33)
    assert [len(each) for each in epoch_batches(alone.prepared.lengths, 16, 0, 0, True)].count(1) == 1
    for number in range(alone.per_epoch):
        parts = [half[number] for half in halves]
        (whole,) = alone[number]
        sizes = [sum(micro.size for micro in part if micro.share) for part in parts]
        assert sum(sizes) == whole.size
        rows = [row.tolist() for part in parts for micro in part if micro.share for row in micro.tensors["bags"]]
        assert sorted(rows) == sorted(row.tolist() for row in whole.tensors["bags"])
        if whole.size == 1:
            assert [[micro.share for micro in part] for part in parts] == [[1], [0]]
            assert parts[1][0].size == 1  # one is taken along, so that gradients can be averaged


def test_augmentation_draws_from_seed_epoch_and_index() -> None:
    def draw(*place: int) -> float:
        return float(example_rng(*place).random())

    assert draw(0, 1, 2) == draw(0, 1, 2)
    assert len({draw(0, 1, 2), draw(1, 1, 2), draw(0, 2, 2), draw(0, 1, 3)}) == 4


def test_an_evaluation_sees_every_example_once_longest_first() -> None:
    loaded = model()
    prepared = loaded.prepare(graft_toy.Words(examples=30).load(Task(), 0).train, False)
    rows = np.concatenate([chosen for chosen, _ in evaluation_batches(loaded, prepared, 8)])
    assert sorted(rows) == list(range(30))
    assert (np.diff(prepared.lengths[rows]) <= 0).all()
    some = np.concatenate([chosen for chosen, _ in evaluation_batches(loaded, prepared, 8, np.array([3, 5]))])
    assert sorted(some) == [3, 5]
