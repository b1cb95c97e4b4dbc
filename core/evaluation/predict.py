"""Predict a split batch by batch, within the available memory, and restore the order of the split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from core.data.batching import evaluation_batches
from core.errors import Problem, RunError
from core.runtime.hardware import Hardware
from core.runtime.memory import is_out_of_memory
from core.runtime.modules import training_mode, unwrap
from core.tasks.targets.encoded import objects

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from core.contracts.model import LoadedModel, PreparedDataset
    from core.tasks.targets.target import Predictions

    Batch: TypeAlias = tuple[NDArray[np.int64], torch.Tensor | Sequence[Any]]
    """The indices int64 [b] and the predictions of a batch: a tensor [b, ...], or b objects."""


def predict_batches(
    model: LoadedModel,
    prepared: PreparedDataset,
    hardware: Hardware,
    batch_size: int,
    indices: NDArray[np.int64] | None = None,
) -> Generator[Batch, None, None]:
    """Yield the indices and the predictions of each batch, the longest examples first.

    The model runs in inference mode, in the run's precision. If memory runs out, the batch size is halved for the
    remaining examples.

    Args:
        model: The model.
        prepared: The prepared split.
        hardware: Device and precision.
        batch_size: Examples in a batch.
        indices: The examples to predict, int64; None for all.

    Raises:
        RunError: A single example does not fit into memory.
    """
    module = unwrap(model.module)
    was_training = module.training
    module.eval()
    remaining = np.arange(len(prepared)) if indices is None else indices
    remaining, size = remaining[np.argsort(-prepared.lengths[remaining], kind="stable")], batch_size
    try:
        with torch.inference_mode():
            while len(remaining):
                for chosen, tensors in evaluation_batches(model, prepared, size, remaining):
                    prediction = _predict_batch(model, tensors, hardware)
                    if prediction is None:
                        size = _halve(min(size, len(chosen)))
                        break
                    remaining = remaining[len(chosen) :]
                    yield chosen, prediction
    finally:
        if was_training:
            training_mode(module)


def share_of(hardware: Hardware, n: int) -> NDArray[np.int64]:
    """Return the indices, among n examples, of those that this process predicts."""
    return np.arange(hardware.rank, n, hardware.world)


def _predict_batch(
    model: LoadedModel, tensors: Mapping[str, torch.Tensor], hardware: Hardware
) -> torch.Tensor | Sequence[Any] | None:
    """Return the predictions for a batch, or None if memory ran out."""
    try:
        batch = {name: value.to(hardware.device, non_blocking=True) for name, value in tensors.items()}
        with hardware.autocast():
            return model.predict(batch)
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    # Outside the `except` block the error is gone, and so is the memory that its traceback kept.
    if not hardware.on_cpu and torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def _halve(size: int) -> int:
    """Return half the batch size, or raise the error for a single example that does not fit."""
    if size == 1:
        message = "memory ran out while predicting a single example."
        cure = "Free some memory, make the inputs smaller (such as model.max_length), or use train.device=cpu."
        raise RunError(Problem("train.eval_batch_size", message, cure))
    return size // 2


def predict(model: LoadedModel, prepared: PreparedDataset, hardware: Hardware, batch_size: int) -> Predictions:
    """Return the predictions for all examples, in their order."""
    rows, outputs = [], []
    for chosen, prediction in predict_batches(model, prepared, hardware, batch_size):
        rows.append(chosen)
        outputs.append(as_array(prediction))
    alone = Hardware(hardware.device, hardware.precision)  # each process predicts everything: nothing to gather
    return in_order(rows, outputs, len(prepared), alone)


def as_array(prediction: torch.Tensor | Sequence[Any]) -> Predictions:
    """Return the predictions of a batch as an array: numbers float32 [b, ...], or objects [b]."""
    if isinstance(prediction, torch.Tensor):
        array: NDArray[np.float32] = prediction.float().cpu().numpy()
        return array
    return objects(prediction)


def in_order(rows: list[NDArray[np.int64]], outputs: list[Predictions], n: int, hardware: Hardware) -> Predictions:
    """Return the batches of all processes as one array [n, ...], in the order of their indices.

    Args:
        rows: The indices of each batch.
        outputs: The predictions of each batch.
        n: Number of examples.
        hardware: Gathers the batches of all processes.
    """
    shares = hardware.gather((rows, outputs))
    every_row = [chosen for share, _ in shares for chosen in share]
    every_output = [output for _, share in shares for output in share]
    if not every_row:
        return np.zeros((0,), dtype=np.float32)
    ordered = np.empty((n, *every_output[0].shape[1:]), dtype=every_output[0].dtype)
    for chosen, output in zip(every_row, every_output, strict=True):
        ordered[chosen] = output
    return ordered
