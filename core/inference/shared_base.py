"""Several finished runs on one base model: the weights that they share are in memory once."""

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

LEAST = 0.5
"""Runs share a base if at least this share of their weights is equal, bit by bit."""


def open_together(runs: Sequence[Path]) -> list[Predictor]:
    """Open several runs; weights that a later run shares with the first are the first run's tensors.

    Each model is loaded whole and then frees what it shares, so that at most two base models are in memory at once.

    Raises:
        RunError: A run has another base than the first, or another task type; or it has no finished model.
    """
    first, *others = runs
    opened = [Predictor.open(first)]
    held = weights_of(opened[0].model.module) if others else {}
    for run in others:
        other = Predictor.open(run)
        if other.task_type.name != opened[0].task_type.name:
            message = (
                f"has the task type {other.task_type.name}, and {first} of {opened[0].task_type.name}: they read "
                f"other inputs."
            )
            raise RunError(Problem(str(run), message, f"Ask it alone: python -m core predict {run} …"))
        shared, whole = share(other.model, held)
        if shared < LEAST * whole:
            message = (
                f"is not on the base of {first}: {100 * shared / max(1, whole):.0f} % of its weights are the same "
                f"(at least {100 * LEAST:.0f} % are wanted); the one starts from {_origin(other)}, the other from "
                f"{_origin(opened[0])}."
            )
            raise RunError(Problem(str(run), message, f"Ask it alone: python -m core predict {run} …"))
        sys.stderr.write(f"{run}: {100 * shared / whole:.1f} % of its weights are those of {first}, held once\n")
        opened.append(other)
    return opened


def _origin(predictor: Predictor) -> str:
    provenance = predictor.model.provenance
    return f"{provenance.checkpoint or provenance.source} ({provenance.init})"


def weights_of(module: nn.Module) -> dict[tuple[Any, ...], Tensor]:
    """Return the parameters of a module by shape, dtype and content."""
    return {_key(parameter): parameter.detach() for parameter in module.parameters()}


def _key(tensor: Tensor) -> tuple[Any, ...]:
    import torch

    raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return tuple(tensor.shape), str(tensor.dtype), hashlib.blake2b(raw.tobytes(), digest_size=16).digest()


def share(model: LoadedModel, held: dict[tuple[Any, ...], Tensor]) -> tuple[int, int]:
    """Let a model use tensors that another one holds, where they are equal.

    Args:
        model: Its parameters are replaced.
        held: What `weights_of` returned for the other model's module.

    Returns:
        Bytes that are shared now, and bytes of all parameters.
    """
    shared = whole = 0
    for parameter in model.module.parameters():
        size = parameter.numel() * parameter.element_size()
        whole += size
        if (same := held.get(_key(parameter))) is not None:
            model.share_parameter(parameter, same)
            shared += size
    return shared, whole


def answers(
    runs: Sequence[Path], predictors: Sequence[Predictor], examples: Iterable[Any]
) -> Iterator[tuple[Predictor, dict[str, Any]]]:
    """Yield predictions as JSON values, each with its predictor: for each example, one from each run, with its name."""
    streams = tee(examples, len(predictors))
    pairs = [predictor.pairs(stream) for predictor, stream in zip(predictors, streams, strict=True)]
    for row in zip(*pairs, strict=True):
        for run, predictor, (example, prediction) in zip(runs, predictors, row, strict=True):
            yield predictor, {"run": str(run), **predictor.written(example, prediction)}
