"""Estimate the peak memory of training from a profile of two small forward and backward passes."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from core.data.batching import example_rng
from core.runtime.determinism import rng_state, set_rng_state
from core.runtime.hardware import Hardware
from core.runtime.memory import is_out_of_memory, resident_memory
from core.runtime.modules import training_mode, unwrap
from core.training.memory_estimate import TrainingMemory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.contracts.model import LoadedModel, PreparedDataset
    from core.contracts.train_config import TrainConfig

SMALL, LARGER = 2, 4
"""Examples in the two passes; the memory of a micro-batch is extrapolated from them, linearly."""


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that are allocated while it is active.

    Attributes:
        now: Bytes that are alive now.
        course: Bytes that were alive after each operation.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.course: list[int] = []
        self._known: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count the storages that it allocated."""
        tree_map_only(Tensor, self._register_input, (args, kwargs or {}))
        result = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._count, result)
        self.course.append(self.now)
        return result

    def _register_input(self, tensor: Tensor) -> Tensor:
        """Remember an input, so that it is not counted if an operation returns it."""
        self._remember(tensor, counted=False)
        return tensor

    def _count(self, tensor: Tensor) -> Tensor:
        self._remember(tensor, counted=True)
        return tensor

    def _remember(self, tensor: Tensor, counted: bool) -> None:
        if tensor.layout is not torch.strided:
            return  # sparse and nested tensors have no single storage
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes() if counted else 0
        if key in self._known:
            return
        self._known[key] = weakref.ref(storage, lambda _: self._forget(key, size))
        self.now += size

    def _forget(self, key: int, size: int) -> None:
        del self._known[key]
        self.now -= size


def profile_memory(
    model: LoadedModel, prepared: PreparedDataset, train: TrainConfig, hardware: Hardware, seed: int
) -> dict[str, float]:
    """Return an estimate of the peak memory of training, from two small forward and backward passes.

    It extrapolates to a micro-batch of the longest examples. Random generators and buffers are restored afterwards, and
    no gradients remain.

    Args:
        model: The model with its adapter method applied.
        prepared: The training examples.
        train: Names the batch size and the optimizer, and says whether there is a moving average.
        hardware: Device, precision and processes.
        seed: The run's seed; examples are augmented as in the first epoch.

    Returns:
        The parts of `TrainingMemory` in MiB; empty if four examples do not fit into memory. `weights` includes what a
        network keeps between passes, such as casts of its weights.
    """
    module = unwrap(model.module).to(hardware.device)
    resident = resident_memory() if hardware.on_cpu else 0
    training_mode(module)
    examples = _micro_batch(train, hardware.world, len(prepared))
    try:
        activations, kept = _profile(model, prepared, hardware, seed, examples)
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return {}
    parameters = list(module.parameters())
    weights = kept + sum(model.parameter_bytes(parameter) for parameter in parameters)
    trainable = sum(model.parameter_bytes(parameter) for parameter in parameters if parameter.requires_grad)
    libraries = max(0, resident - weights + kept) if hardware.on_cpu else None
    return TrainingMemory.of(train, weights, trainable, activations, libraries).in_mib()


def _micro_batch(train: TrainConfig, world: int, examples: int) -> int:
    """Return the number of examples in a forward pass of one process."""
    per_process = -(-train.batch_size // world)
    return min(train.micro_batch_size or per_process, per_process, examples)


def _profile(
    model: LoadedModel, prepared: PreparedDataset, hardware: Hardware, seed: int, examples: int
) -> tuple[float, int]:
    """Return the peak bytes of a pass over `examples` examples, and the bytes that remain after the first pass.

    Neither includes gradients of parameters. What a network keeps between passes is not an activation, so the
    first pass runs before the profile.
    """
    sizes = [examples] if examples <= LARGER else [SMALL, LARGER]
    module = unwrap(model.module)
    before = rng_state(hardware.device)
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    try:
        kept = _run_pass(model, _longest(model, prepared, sizes[0], seed), hardware).now
        courses = [_run_pass(model, _longest(model, prepared, size, seed), hardware).course for size in sizes]
    finally:
        for buffer, value in buffers:
            buffer.copy_(value)
        set_rng_state(before, hardware.device)
    return peak_of(courses, sizes, examples), kept


def peak_of(courses: Sequence[Sequence[int]], sizes: Sequence[int], examples: int) -> float:
    """Return the peak bytes of a pass over more examples, extrapolated from one or two smaller passes.

    The bytes after each operation grow linearly with the number of examples, each at its own rate. So the operation at
    the peak of a small pass, such as a large gradient of fixed size, need not be the one at the peak of a large pass.
    If the two passes ran different operations, as with a detector's loss, the peaks themselves are extrapolated.

    Args:
        courses: Bytes after each operation, one sequence per pass.
        sizes: Examples in each of these passes.
        examples: Examples in the pass to estimate.
    """
    if len(courses) == 1:
        return float(max(courses[0]))
    small, larger = (np.asarray(course, dtype=np.float64) for course in courses)
    if len(small) != len(larger):
        small, larger = small.max(keepdims=True), larger.max(keepdims=True)
    per_example = np.maximum(0.0, (larger - small) / (sizes[1] - sizes[0]))
    return float((larger + per_example * (examples - sizes[1])).max())


def _longest(model: LoadedModel, prepared: PreparedDataset, size: int, seed: int) -> dict[str, Tensor]:
    """Return a batch of the longest examples, augmented as in the first epoch."""
    rows = (-prepared.lengths).argsort(kind="stable")[:size]
    return model.collate([prepared.fetch(int(row), 0, example_rng(seed, 0, int(row))) for row in rows])


def _run_pass(model: LoadedModel, batch: dict[str, Tensor], hardware: Hardware) -> LiveTensors:
    """Return the counted tensors of a forward and backward pass; gradients of parameters are freed at once."""
    trained = [parameter for parameter in unwrap(model.module).parameters() if parameter.requires_grad]
    hooks: list[Any] = [p.register_post_accumulate_grad_hook(_free_gradient) for p in trained]  # type: ignore[no-untyped-call]
    live = LiveTensors()
    try:
        with live:
            moved = {name: value.to(hardware.device) for name, value in batch.items()}
            with hardware.autocast():
                losses = model.loss(moved)
            losses.sum().backward()  # type: ignore[no-untyped-call]
            del moved, losses
    finally:
        for hook in hooks:
            hook.remove()
    return live


def _free_gradient(parameter: Tensor) -> None:
    parameter.grad = None
