"""The weight of each label in the loss, and of each example; the same for every family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.contracts.components import RunConfig
from core.contracts.splits import Splits
from core.errors import ConfigError, Problem
from core.tasks.output import OutputSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def class_weights(config: RunConfig, splits: Splits, output: OutputSpec) -> tuple[float, ...] | None:
    """Return the weight of each label in the loss, or None.

    `train.class_weights=auto` asks the target type for balanced weights; `given` takes the mapping as it is.

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
    return output.target.class_weights(output.targets_of(splits.train), labels)


def example_weights(config: RunConfig, splits: Splits, output: OutputSpec) -> NDArray[np.float32] | None:
    """Return the weight of each training example, float32 [n], for models that are fitted without gradients; or None.

    Raises:
        ConfigError: The target type gives no weights of whole examples.
    """
    weights = class_weights(config, splits, output)
    if weights is None:
        return None
    found = output.target.example_weights(output.targets_of(splits.train), weights)
    if found is None:
        message = f"cannot weigh examples of the target type {output.target.name} for {config.model.name}."
        raise ConfigError(Problem("train.class_weights", message, "Leave it out: train.class_weights=none."))
    return found
