"""The weights of labels in the loss, and of examples, from `train.class_weights`."""

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

    With `train.class_weights=auto`, the target type computes balanced weights. With `given`, they are the values of
    `train.given_class_weights`.

    Raises:
        ConfigError: `train.given_class_weights` does not name every label once.
    """
    train, labels = config.train, splits.labels
    if train.class_weights == "none":
        return None
    if train.class_weights == "given":
        given = train.given_class_weights
        if set(given) != set(labels):
            wrong = ", ".join(sorted(set(given) ^ set(labels)))
            message = f"must name each label once; these differ: {wrong}."
            raise ConfigError(Problem("train.given_class_weights", message, f"The labels: {', '.join(labels)}."))
        return tuple(float(given[label]) for label in labels)
    return output.target.class_weights(output.targets_of(splits.train), labels)


def example_weights(config: RunConfig, splits: Splits, output: OutputSpec) -> NDArray[np.float32] | None:
    """Return the weight of each training example, float32 [n], or None; for models that train without gradients.

    Raises:
        ConfigError: The target type does not support weights of examples.
    """
    weights = class_weights(config, splits, output)
    if weights is None:
        return None
    of_examples = output.target.example_weights(output.targets_of(splits.train), weights)
    if of_examples is None:
        message = f"cannot weight examples of the target type {output.target.name} for {config.model.name}."
        raise ConfigError(Problem("train.class_weights", message, "Set train.class_weights=none."))
    return of_examples
