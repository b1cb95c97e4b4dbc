"""Open several finished runs on one base model; weights that they share are in memory once."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import Problem, RunError
from core.inference.predictor import Predictor

if TYPE_CHECKING:
    from torch import Tensor, nn

    from core.contracts.model import LoadedModel

MIN_SHARED = 0.5
"""Minimum share of bitwise equal weights for two runs to have the same base model."""


def open_together(runs: Sequence[Path]) -> list[Predictor]:
    """Open several runs; the later ones use the tensors of the first run where the weights are equal.

    Each model is loaded completely and then frees what it shares, so at most two base models are in memory at a time.

    Raises:
        RunError: A run has another base model or task type than the first, or is not complete.
    """
    first, *others = runs
    opened = [Predictor.open(first)]
    held = weights_of(opened[0].model.module) if others else {}
    for run in others:
        other = Predictor.open(run)
        if other.task_type.name != opened[0].task_type.name:
            message = (
                f"has the task type {other.task_type.name}, but {first} has {opened[0].task_type.name}; their inputs "
                "differ."
            )
            raise RunError(Problem(str(run), message, f"Use it alone: python -m core predict {run} …"))
        shared, total = share(other.model, held)
        if shared < MIN_SHARED * total:
            message = (
                f"has another base model than {first}: {100 * shared / max(1, total):.0f} % of the weights are equal "
                f"(at least {100 * MIN_SHARED:.0f} % are required). It starts from {_origin(other)}, {first} from "
                f"{_origin(opened[0])}."
            )
            raise RunError(Problem(str(run), message, f"Use it alone: python -m core predict {run} …"))
        sys.stderr.write(f"{run}: {100 * shared / total:.1f} % of its weights are shared with {first}\n")
        opened.append(other)
    return opened


def _origin(predictor: Predictor) -> str:
    provenance = predictor.model.provenance
    return f"{provenance.checkpoint or provenance.source} ({provenance.init})"


def weights_of(module: nn.Module) -> dict[tuple[Any, ...], Tensor]:
    """Return the parameters of a module by shape, dtype and hash of the content."""
    return {_key(parameter): parameter.detach() for parameter in module.parameters()}


def _key(tensor: Tensor) -> tuple[Any, ...]:
    import torch

    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return tuple(tensor.shape), str(tensor.dtype), hashlib.blake2b(raw.tobytes(), digest_size=16).digest()


def share(model: LoadedModel, held: dict[tuple[Any, ...], Tensor]) -> tuple[int, int]:
    """Replace the parameters of a model by equal tensors of another model.

    Args:
        model: The model whose parameters are replaced.
        held: What `weights_of` returned for the module of the other model.

    Returns:
        The bytes that are now shared, and the bytes of all parameters.
    """
    shared = total = 0
    for parameter in model.module.parameters():
        size = parameter.numel() * parameter.element_size()
        total += size
        if (same := held.get(_key(parameter))) is not None:
            model.share_parameter(parameter, same)
            shared += size
    return shared, total


def predict_all(
    runs: Sequence[Path], predictors: Sequence[Predictor], examples: Iterable[Any]
) -> Iterator[tuple[Predictor, dict[str, Any]]]:
    """Yield one prediction per example and run as JSON values with the name of the run, and its predictor."""
    streams = tee(examples, len(predictors))
    pairs = [predictor.pairs(stream) for predictor, stream in zip(predictors, streams, strict=True)]
    for row in zip(*pairs, strict=True):
        for run, predictor, (example, prediction) in zip(runs, predictors, row, strict=True):
            yield predictor, {"run": str(run), **predictor.written(example, prediction)}
