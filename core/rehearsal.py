"""The peak memory of training, from a rehearsal: small passes forward and back, whose tensors are counted."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from core.batching import example_rng
from core.checkpoint import rng_state, set_rng_state
from core.environment import Hardware, resident_memory, unwrap
from core.optimize import training_mode
from core.progress import is_out_of_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.config import Train
    from core.contracts import LoadedModel, Prepared

SMALL, LARGER = 2, 4
"""Examples in the two passes; what a whole micro-batch takes lies on lines through both."""


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors that are made while it is on, and still there.

    Attributes:
        now: Bytes that are there.
        course: Bytes that were there after each operation.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.course: list[int] = []
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation; count the storages that it made."""
        tree_map_only(Tensor, self._from_before, (args, kwargs or {}))
        made = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._count, made)
        self.course.append(self.now)
        return made

    def _from_before(self, tensor: Tensor) -> Tensor:
        """What is read, and was not made here, is not counted when an operation returns it again."""
        self._remember(tensor, counted=False)
        return tensor

    def _count(self, tensor: Tensor) -> Tensor:
        self._remember(tensor, counted=True)
        return tensor

    def _remember(self, tensor: Tensor, counted: bool) -> None:
        if tensor.layout is not torch.strided:
            return  # sparse and nested ones have no storage of their own
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes() if counted else 0
        if key in self._known:
            return
        self._known[key] = weakref.ref(storage, lambda _: self._forget(key, size))
        self.now += size

    def _forget(self, key: int, size: int) -> None:
        del self._known[key]
        self.now -= size


def rehearse(model: LoadedModel, prepared: Prepared, train: Train, hardware: Hardware, seed: int) -> dict[str, float]:
    """Peak memory of training, in MiB by part, of a micro-batch of the longest examples.

    Generators and buffers are afterwards what they were; there are no gradients.

    Args:
        model: With its method applied.
        prepared: The training examples.
        train: Says how many examples a step has, which optimizer there is, and whether an average.
        hardware: Device, precision and processes.
        seed: The run's, of what is random in examples.

    Returns:
        `weights` (and what a network keeps beside them, such as casts), `gradients`, `optimizer`, `average`,
        `activations`, on a CPU also `libraries` (what this process holds besides), and their `total`; empty where even
        four examples do not fit.
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
    weights = left + sum(_bytes(parameter) for parameter in module.parameters())
    trainable = sum(_bytes(parameter) for parameter in module.parameters() if parameter.requires_grad)
    parts = {
        "weights": weights,
        "gradients": trainable,
        "optimizer": 2 * trainable if train.optimizer == "adamw" else trainable // 2,
        "average": trainable if train.ema else 0,
        "activations": activations,
    }
    if hardware.on_cpu:
        parts["libraries"] = max(0, resident - weights + left)
    parts["total"] = sum(parts.values())
    return {name: round(value / 2**20, 1) for name, value in parts.items()}


def _micro_batch(train: Train, world: int, examples: int) -> int:
    """Examples in a forward pass of one process."""
    per_process = -(-train.batch_size // world)
    return min(train.micro_batch_size or per_process, per_process, examples)


def _bytes(parameter: Any) -> int:
    """Of a parameter, with the constants of its quantisation."""
    state, rows = getattr(parameter, "quant_state", None), getattr(parameter, "SCB", None)
    constants = [rows] if rows is not None else []
    while state is not None:  # of constants that are quantised themselves there is another
        constants += [state.absmax]
        state = state.state2
    return sum(each.numel() * each.element_size() for each in (parameter, *constants))


def _passes(model: LoadedModel, prepared: Prepared, hardware: Hardware, seed: int, examples: int) -> tuple[float, int]:
    """Bytes besides gradients at the peak of a pass forward and back, over so many of the longest examples.

    And bytes that the first pass left behind: what a network keeps from pass to pass is no activation.
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
    """The peak of a pass over more examples, from the courses of one or two smaller ones.

    What is there after an operation grows in a line with the examples, each operation's in its own: a large gradient
    that is there in every pass is the peak of a small pass only. Where the two passes were of other operations, as
    with a detector's loss, the line goes through their peaks.
    """
    if len(courses) == 1:
        return float(max(courses[0]))
    small, larger = (np.asarray(course, dtype=np.float64) for course in courses)
    if len(small) != len(larger):
        small, larger = small.max(keepdims=True), larger.max(keepdims=True)
    an_example = np.maximum(0.0, (larger - small) / (sizes[1] - sizes[0]))
    return float((larger + an_example * (examples - sizes[1])).max())


def _longest(model: LoadedModel, prepared: Prepared, size: int, seed: int) -> dict[str, Tensor]:
    """The costliest examples, as the first epoch would show them."""
    rows = (-prepared.lengths).argsort(kind="stable")[:size]
    return model.collate([prepared.fetch(int(row), 0, example_rng(seed, 0, int(row))) for row in rows])


def _pass(model: LoadedModel, batch: dict[str, Tensor], hardware: Hardware) -> LiveTensors:
    """What was there in one pass, and after it, without its gradients, which are let go as they are made."""
    trained = [parameter for parameter in unwrap(model.module).parameters() if parameter.requires_grad]
    hooks: list[Any] = [p.register_post_accumulate_grad_hook(_let_go) for p in trained]  # type: ignore[no-untyped-call]
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


def _let_go(parameter: Tensor) -> None:
    parameter.grad = None
