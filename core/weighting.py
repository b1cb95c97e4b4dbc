"""How much each label counts in the loss, the same for every family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.config import RunConfig
from core.contracts import Splits
from core.errors import ConfigError, Problem
from core.kinds import targets_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


def class_weights(config: RunConfig, splits: Splits) -> tuple[float, ...] | None:
    """The weight of each label in the loss, the same for every family.

    `auto` weighs a label by n / (c * its count), so that the mean weight of a training example is 1 (King and Zeng
    2001); for several labels at once, by the count of examples without it over that of those with it.

    Raises:
        ConfigError: A given mapping does not name every label once.
    """
    train, labels = config.train, splits.labels
    if train.class_weights == "none":
        return None
    if train.class_weights == "given":
        given = train.given_class_weights
        if set(given) != set(labels):
            wrong = ", ".join(sorted(set(given) ^ set(labels)))
            where = "train.given_class_weights"
            raise ConfigError(
                Problem(where, f"must name each label once; see: {wrong}.", f"The labels: {', '.join(labels)}.")
            )
        return tuple(float(given[label]) for label in labels)
    targets = targets_of(splits.train, config.task.target, len(labels))
    n, c = len(targets), len(labels)
    if config.task.target == "multi":
        with_it = targets.sum(axis=0, dtype=np.float64)
        return tuple(((n - with_it) / np.maximum(1.0, with_it)).tolist())
    counts = np.bincount(targets.astype(np.int64), minlength=c)
    return tuple((n / (c * np.maximum(1, counts))).tolist())


def example_weights(config: RunConfig, splits: Splits) -> NDArray[np.float32] | None:
    """The weight of each training example by its label, float32 [n], for models that are fitted without gradients."""
    weights = class_weights(config, splits)
    if weights is None:
        return None
    targets = targets_of(splits.train, config.task.target, len(splits.labels))
    found: NDArray[np.float32] = np.asarray(weights, dtype=np.float32)[targets.astype(np.int64)]
    return found
