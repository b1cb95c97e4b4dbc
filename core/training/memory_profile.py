"""An estimate of the peak memory of training, from a profile of two small forward and backward passes."""

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
"""Examples in the two passes; a micro-batch is extrapolated from them, linearly in the number of examples."""


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
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count the storages that it allocated."""
        tree_map_only(Tensor, self._from_before, (args, kwargs or {}))
        made = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._count, made)
        self.course.append(self.now)
        return made

    def _from_before(self, tensor: Tensor) -> Tensor:
        """Remember an input from outside, so that it is not counted when an operation returns it again."""
        self._remember(tensor, counted=False)
        return tensor

    def _count(self, tensor: Tensor) -> Tensor:
        self._remember(tensor, counted=True)
        return tensor

    def _remember(self, tensor: Tensor, counted: bool) -> None:
        if tensor.layout is not torch.strided:
            return  # sparse and nested tensors have no storage of their own
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
    """Profile two small forward and backward passes and extrapolate to a micro-batch of the longest examples.

    Generators and buffers are restored afterwards, and no gradients are left.

    Args:
        model: With its method applied.
        prepared: The training examples.
        train: Gives the batch size, the optimizer, and whether there is an average.
        hardware: Device, precision and processes.
        seed: The run's; examples are augmented as in the first epoch.

    Returns:
        The parts of `TrainingMemory` in MiB; empty where even four examples do not fit into memory. `weights` includes
        what a network keeps from pass to pass, such as casts of its weights.
    """
    module = unwrap(model.module).to(hardware.device)
    resident = resident_memory() if hardware.on_cpu else 0
    training_mode(module)
    try:
        activations, left = _passes(model, prepared, hardware, seed, _micro_batch(train, hardware.world, len(prepared)))
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return {}
    parameters = list(module.parameters())
    weights = left + sum(model.parameter_bytes(parameter) for parameter in parameters)
    trainable = sum(model.parameter_bytes(parameter) for parameter in parameters if parameter.requires_grad)
    libraries = max(0, resident - weights + left) if hardware.on_cpu else None
    return TrainingMemory.of(train, weights, trainable, activations, libraries).in_mib()


def _micro_batch(train: TrainConfig, world: int, examples: int) -> int:
    """Return the number of examples in a forward pass of one process."""
    per_process = -(-train.batch_size // world)
    return min(train.micro_batch_size or per_process, per_process, examples)


def _passes(
    model: LoadedModel, prepared: PreparedDataset, hardware: Hardware, seed: int, examples: int
) -> tuple[float, int]:
    """Return two numbers of bytes: a pass's peak over so many examples, and what the first pass left behind.

    Gradients of parameters are in neither. What a network keeps from pass to pass is not an activation.
    """
    sizes = [examples] if examples <= LARGER else [SMALL, LARGER]
    module = unwrap(model.module)
    before = rng_state(hardware.device)
    buffers = [(buffer, buffer.clone()) for buffer in module.buffers()]
    try:
        left = _pass(model, _longest(model, prepared, sizes[0], seed), hardware).now
        courses = [_pass(model, _longest(model, prepared, size, seed), hardware).course for size in sizes]
    finally:
        for buffer, value in buffers:
            buffer.copy_(value)
        set_rng_state(before, hardware.device)
    return peak_of(courses, sizes, examples), left


def peak_of(courses: Sequence[Sequence[int]], sizes: Sequence[int], examples: int) -> float:
    """Extrapolate the peak of a pass over more examples from one or two smaller passes.

    The bytes after each operation grow linearly with the examples, each operation at its own rate: a large gradient
    that every pass holds is the peak of a small pass only. Where the two passes ran different operations, as with a
    detector's loss, the line goes through their peaks.

    Args:
        courses: Bytes after each operation of a pass, one sequence for each pass.
        sizes: Examples in each pass.
        examples: Examples in the pass that is asked about.
    """
    if len(courses) == 1:
        return float(max(courses[0]))
    small, larger = (np.asarray(course, dtype=np.float64) for course in courses)
    if len(small) != len(larger):
        small, larger = small.max(keepdims=True), larger.max(keepdims=True)
    an_example = np.maximum(0.0, (larger - small) / (sizes[1] - sizes[0]))
    return float((larger + an_example * (examples - sizes[1])).max())


def _longest(model: LoadedModel, prepared: PreparedDataset, size: int, seed: int) -> dict[str, Tensor]:
    """Return a batch of the longest examples, as in the first epoch."""
    rows = (-prepared.lengths).argsort(kind="stable")[:size]
    return model.collate([prepared.fetch(int(row), 0, example_rng(seed, 0, int(row))) for row in rows])


def _pass(model: LoadedModel, batch: dict[str, Tensor], hardware: Hardware) -> LiveTensors:
    """Run one pass and count its tensors. Gradients of parameters are freed as soon as they are computed."""
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
