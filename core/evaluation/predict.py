"""Predictions of a model for a split: batch by batch, in what memory there is, and put back into the split's order."""

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
from core.tasks.targets.target import objects

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from core.contracts.model import LoadedModel, PreparedDataset
    from core.tasks.targets.target import Predictions


if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from core.contracts.model import LoadedModel, PreparedDataset
    from core.tasks.targets.target import Predictions

    Batch: TypeAlias = tuple[NDArray[np.int64], torch.Tensor | Sequence[Any]]
    """Indices int64 [b] and predictions of a batch: a tensor [b, ...], or b objects."""


def predict_batches(
    model: LoadedModel,
    prepared: PreparedDataset,
    hardware: Hardware,
    batch_size: int,
    indices: NDArray[np.int64] | None = None,
) -> Generator[Batch, None, None]:
    """Indices and predictions of each batch, longest first; under inference mode, in the run's precision.

    Where memory runs out, batches become half as large, and what is left is predicted in those.

    Raises:
        RunError: There is no memory for a single example.
    """
    module = unwrap(model.module)
    was_training = module.training
    module.eval()
    left = np.arange(len(prepared)) if indices is None else indices
    left, size = left[np.argsort(-prepared.lengths[left], kind="stable")], batch_size
    try:
        with torch.inference_mode():
            while len(left):
                for chosen, tensors in evaluation_batches(model, prepared, size, left):
                    prediction = _predicted(model, tensors, hardware)
                    if prediction is None:
                        size = _halved(min(size, len(chosen)))
                        break
                    left = left[len(chosen) :]
                    yield chosen, prediction
    finally:
        if was_training:
            training_mode(module)


def share_of(hardware: Hardware, n: int) -> NDArray[np.int64]:
    """Return the indices of the examples, of n, that this process predicts."""
    return np.arange(hardware.rank, n, hardware.world)


def _predicted(
    model: LoadedModel, tensors: Mapping[str, torch.Tensor], hardware: Hardware
) -> torch.Tensor | Sequence[Any] | None:
    """Predictions for a batch, or None where memory ran out."""
    try:
        batch = {name: value.to(hardware.device, non_blocking=True) for name, value in tensors.items()}
        with hardware.autocast():
            return model.predict(batch)
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    # Here the error is gone, and with it what its traceback held in memory.
    if not hardware.on_cpu and torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def _halved(size: int) -> int:
    if size == 1:
        message = "memory ran out while predicting a single example."
        cure = "Free some memory, make inputs smaller (such as model.max_length), or use train.device=cpu."
        raise RunError(Problem("train.eval_batch_size", message, cure))
    return size // 2


def predict(model: LoadedModel, prepared: PreparedDataset, hardware: Hardware, batch_size: int) -> Predictions:
    """Predictions for every example, in their order."""
    rows, outputs = [], []
    for chosen, prediction in predict_batches(model, prepared, hardware, batch_size):
        rows.append(chosen)
        outputs.append(as_array(prediction))
    found = in_order(rows, outputs, len(prepared), Hardware(hardware.device, hardware.precision))
    assert found is not None
    return found


def as_array(prediction: torch.Tensor | Sequence[Any]) -> Predictions:
    """Return the predictions of a batch as an array of numbers, or of objects."""
    if isinstance(prediction, torch.Tensor):
        array: NDArray[np.float32] = prediction.float().cpu().numpy()
        return array
    return objects(prediction)


def in_order(rows: list[Any], outputs: list[Predictions], n: int, hardware: Hardware) -> Predictions | None:
    """The batches of all processes as one array in the order of their indices; on rank 0, else what is here.

    Args:
        rows: The indices of each batch.
        outputs: The predictions of each batch.
        n: Examples in all.
        hardware: Says whether there are other processes, whose batches are gathered.
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
