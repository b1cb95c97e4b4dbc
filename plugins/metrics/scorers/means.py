"""Scores based on means over examples: accuracy, log loss, calibration, errors of regression."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import one_hot

from core.tasks import DEFAULT_THRESHOLD, MULTI, divide
from plugins.metrics.scorers.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from core.tasks import Array

SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)
"""Probabilities are clipped to this distance from 0 and 1 before logarithms: the spacing of float32 below 2."""

CONSTANT = 1e-12
"""Values whose variance is at most this share of their mean square count as constant."""


def accuracy(target: str) -> Sums:
    """Return the share of examples whose labels are all correct."""
    return _mean("right", _all_right if target == MULTI else _right)


def hamming_accuracy() -> Sums:
    """Return the mean share of an example's labels that are correct."""
    return _mean("labels_right", _labels_right)


def log_loss(target: str) -> Sums:
    """Return the mean negative logarithm of the true labels' probability."""
    return _mean("log_loss", _log_loss_multi if target == MULTI else _log_loss_single)


def mae() -> Sums:
    """Return the mean absolute error."""
    return _mean("absolute_error", _absolute_error)


def rmse() -> Sums:
    """Return the root of the mean squared error."""
    return Sums("squared_error", 2, partial(_with_count, of=_squared_error), _root_mean_of)


def r2() -> Sums:
    """Return the share of the targets' variance that is explained."""
    return Sums("squares", 4, _square_rows, _r2)


def calibration(bins: int) -> Sums:
    """Return the expected calibration error over equally wide bins."""
    return Sums("gaps", bins + 1, partial(_gap_rows, bins=bins), _calibration)


def _mean(name: str, of: Callable[[Tensor, Tensor], Tensor]) -> Sums:
    return Sums(name, 2, partial(_with_count, of=of), _mean_of)


def _with_count(predictions: Tensor, targets: Tensor, of: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    values = of(predictions, targets).double()
    return torch.stack([values, torch.ones_like(values)], dim=1)


def _mean_of(sums: Array) -> Array:
    return divide(sums[..., 0], sums[..., 1], empty=np.nan)


def _root_mean_of(sums: Array) -> Array:
    return np.sqrt(_mean_of(sums))


def _right(predictions: Tensor, targets: Tensor) -> Tensor:
    return predictions.argmax(dim=1) == targets


def _all_right(predictions: Tensor, targets: Tensor) -> Tensor:
    return ((predictions >= DEFAULT_THRESHOLD) == (targets >= 0.5)).all(dim=1)


def _labels_right(predictions: Tensor, targets: Tensor) -> Tensor:
    return ((predictions >= DEFAULT_THRESHOLD) == (targets >= 0.5)).double().mean(dim=1)


def _clipped(predictions: Tensor) -> Tensor:
    return predictions.double().clamp(SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)


def _log_loss_single(predictions: Tensor, targets: Tensor) -> Tensor:
    return -_clipped(predictions).gather(1, targets[:, None]).squeeze(1).log()


def _log_loss_multi(predictions: Tensor, targets: Tensor) -> Tensor:
    true = torch.where(targets >= 0.5, _clipped(predictions), 1 - _clipped(predictions))
    return -true.log().mean(dim=1)


def _absolute_error(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions.double() - targets.double()).abs()


def _squared_error(predictions: Tensor, targets: Tensor) -> Tensor:
    return (predictions.double() - targets.double()) ** 2


def _square_rows(predictions: Tensor, targets: Tensor) -> Tensor:
    """Return squared error, target, squared target and 1, float64 [b, 4]."""
    wanted = targets.double()
    return torch.stack([_squared_error(predictions, targets), wanted, wanted**2, torch.ones_like(wanted)], dim=1)


def _r2(sums: Array) -> Array:
    error, total, squares, n = np.moveaxis(sums, -1, 0)
    spread = squares - divide(total**2, n)
    return 1 - divide(error, np.where(spread > CONSTANT * squares, spread, 0.0), empty=np.nan)


def _gap_rows(predictions: Tensor, targets: Tensor, bins: int) -> Tensor:
    """Return correctness (1 or 0) minus confidence, in the column of the confidence's bin, and 1: [b, bins + 1]."""
    confidence, chosen = predictions.double().max(dim=1)
    column = one_hot((confidence * bins).long().clamp(0, bins - 1), bins)
    gap = (chosen == targets).double() - confidence
    return torch.cat([column * gap[:, None], torch.ones_like(gap)[:, None]], dim=1)


def _calibration(sums: Array) -> Array:
    return divide(np.abs(sums[..., :-1]).sum(axis=-1), sums[..., -1], empty=np.nan)
