"""Check that the losses of a model follow from its predictions: both then belong to the same targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from core.testing.expect import Subject
from core.testing.running import PROBE, collated, losses_of, predicted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.contracts.components import ModelLoader
    from core.contracts.model import LoadRequest
    from core.tasks.targets.target import Predictions, Targets, TargetType

TOLERANCE = 1e-3


def costs_of(
    target: TargetType, predictions: Predictions, targets: Targets, class_weights: Sequence[float] | None = None
) -> NDArray[np.float64] | None:
    """Return the costs of predictions, float64 [n]; None if the target type has other losses than its `costs`."""
    classes = type(target).__mro__
    losses, costs = (next(each for each in classes if name in vars(each)) for name in ("losses", "costs"))
    if classes.index(losses) < classes.index(costs):
        return None  # a subclass changed the losses, and inherits the costs of the others
    return target.costs(predictions, targets, class_weights)


def check_costs(subject: Subject, loader: ModelLoader, request: LoadRequest) -> None:
    """Check that losses are a constant times the costs of the predictions, also with class weights.

    A model that shifts targets, or counts a part of an example twice, has losses that its predictions do not explain.
    Augmentation would do so too, so examples are prepared as for an evaluation.

    Raises:
        AssertionError: The losses do not follow from the predictions.
    """
    plain = _losses_and_costs(loader, request)
    if plain is None:
        return
    losses, costs = plain
    factor = losses.sum() / costs.sum()
    message = (
        "`loss` does not follow from `predict`: the losses of examples are not proportional to what the predictions "
        "cost for the targets (`TargetType.costs`). Look for shifted targets, and for parts that count twice."
    )
    subject.expect_equal(losses, factor * costs, message, TOLERANCE)
    if "class_weights" in request.output.target.train_options:
        weights = tuple(1.0 + label for label in range(len(request.labels)))
        weighted = _losses_and_costs(loader, replace(request, class_weights=weights))
        assert weighted is not None
        message = "request.class_weights does not scale the loss. Pass it to core.training.per_example_loss."
        subject.expect_equal(weighted[0], factor * weighted[1], message, TOLERANCE)


def _losses_and_costs(
    loader: ModelLoader, request: LoadRequest
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the losses of a few examples and the costs of their predictions; None if one of them is not known."""
    model, output = loader.load(request), request.output
    examples: Sequence[Any] = request.train[:PROBE]
    predictions = predicted(model, examples)
    costs = costs_of(output.target, predictions, output.targets_of(examples), request.class_weights)
    if costs is None:
        return None
    model.prepare(request.train, train=True)  # a model may derive the scale of its losses from the training examples
    losses = losses_of(model, collated(model, model.prepare(examples, train=False)))
    return (losses.double().numpy(), costs) if losses.ndim else None
