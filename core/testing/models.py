"""Check a model loader: declarations, batches, losses, predictions, and the saved model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.contracts.capabilities import ADAPTERS, FEATURES, LAYERS
from core.contracts.components import ModelLoader
from core.contracts.model import LoadedModel, LoadRequest, PreparedDataset, Provenance
from core.contracts.protocols import SupportsFeatures, SupportsFit
from core.evaluation.predict import as_array
from core.tasks.targets.single_label import SINGLE
from core.tasks.targets.target import TargetType
from core.testing.costs import check_costs
from core.testing.expect import Subject
from core.testing.running import (
    PROBE,
    TOLERANCE,
    Everything,
    collated,
    losses_of,
    predicted,
    to_reopen,
    train_on,
    without_targets,
)
from core.testing.samples import TEXT, sample_request

STEPS, RATE = 3, 1e-2
_TEXTS = (".json", ".txt", ".yaml", ".yml", ".md")


def check_model_loader(
    loader: ModelLoader, folder: Path, request: LoadRequest | None = None, target: str = SINGLE
) -> None:
    """Check a model loader on a small task, on a CPU.

    Requirements:

    - The heads, the adapter targets and the capabilities that it declares exist.
    - `prepare` and `collate` are deterministic.
    - Losses and predictions have the shapes of the target type. They do not depend on the other examples of a batch.
    - Predictions do not depend on targets.
    - Losses follow from predictions and targets (`TargetType.costs`), and class weights scale them.
    - The trained model predicts the same after it is saved and opened again.
    - With `features`, the head computes from them what the network computes.
    - A model with `fit` learns; its `loss` is not checked.

    Args:
        loader: The loader; its options make a small model without a network.
        folder: An empty folder to save to.
        request: The task and at least nine training examples; None for synthetic ones of the loader's first task type.
        target: The target type of the synthetic task.

    Raises:
        AssertionError: A requirement is not met.
    """
    request = request or sample_request(next(iter(loader.task_types), TEXT), target)
    subject = Subject(f"model={loader.name} ({request.task.target})")
    model = loader.load(request)
    _check_declared(subject, loader, model)
    prepared = _check_prepared(subject, model, request)
    if isinstance(model, SupportsFit):
        _check_own_fit(subject, loader, model, request)
    else:
        _check_losses(subject, model, prepared)
        first, again = (predicted(loader.load(request), request.train[:PROBE]) for _ in range(2))
        message = "loading twice with one seed gives different predictions. Initialize the head with request.seed."
        subject.expect_alike(again, first, request.output.target, message)
        train_on(model, Everything(), request.train[:PROBE], STEPS, RATE)
    _check_predictions(subject, model, request)
    if not isinstance(model, SupportsFit):
        check_costs(subject, loader, request)
    if isinstance(model, SupportsFeatures):
        _check_features(subject, model, prepared, request.output.target)
    _check_reopened(subject, loader, model, request, folder)
    _check_baselines(subject, loader, request)


def _check_declared(subject: Subject, loader: ModelLoader, model: LoadedModel) -> None:
    """Check what loader and model declare."""
    subject.expect(isinstance(model, LoadedModel), f"`load` must return a LoadedModel, not {type(model).__name__}.")
    own = isinstance(model, SupportsFit)
    message = f"`own_fit` is {loader.own_fit}, but the model has {'a' if own else 'no'} `fit` method."
    subject.expect(own == loader.own_fit, message)
    known = isinstance(model.provenance, Provenance) and model.provenance.init in ("pretrained", "scratch")
    subject.expect(known, "`provenance` must be a Provenance whose init is `pretrained` or `scratch`.")
    subject.expect(isinstance(model.findings, list), f"`findings` must be a list; it is {model.findings!r}.")
    unknown = sorted(set(model.defaults) - {"epochs", "learning_rate"})
    subject.expect(not unknown, f"`defaults` may contain epochs and learning_rate, not {', '.join(unknown)}.")
    if own:
        return
    modules = dict(model.module.named_modules())
    subject.expect(model.heads, "`heads` must name the submodules that form the head; it is empty.")
    for head in model.heads:
        subject.expect(head in modules, f"`heads` names {head!r}, but the module has no such submodule.")
        subject.expect(list(modules[head].parameters()), f"the head {head!r} has no parameters to train.")
    for ending in model.adapter_targets:
        matches = any(name == ending or name.endswith(f".{ending}") for name in modules)
        subject.expect(matches, f"`adapter_targets` names {ending!r}, but no submodule's name ends with it.")
    _check_capabilities(subject, loader, model)


def _check_capabilities(subject: Subject, loader: ModelLoader, model: LoadedModel) -> None:
    """Check that the model has the `capabilities` that the loader declares."""
    has = isinstance(model, SupportsFeatures)
    declared = FEATURES in loader.capabilities
    message = f"`capabilities` {'names' if declared else 'lacks'} {FEATURES!r}, but the model has "
    subject.expect(has == declared, message + ("the methods (`features`, `head`, …)." if has else "no `features`."))
    if ADAPTERS in loader.capabilities:
        subject.expect(model.adapter_targets, f"`capabilities` names {ADAPTERS!r}, but `adapter_targets` is empty.")
    if LAYERS in loader.capabilities:
        _check_layers(subject, model)


def _check_layers(subject: Subject, model: LoadedModel) -> None:
    """Check that every parameter is in one layer, and those of the head in the last one."""
    placed = [name for names in model.layers for name in names]
    names = [name for name, _ in model.module.named_parameters()]
    wrong = sorted(set(placed) ^ set(names)) or sorted({name for name in placed if placed.count(name) > 1})
    message = f"`layers` must name each parameter of the module once; wrong for {', '.join(wrong[:5])}."
    subject.expect(sorted(placed) == sorted(names), message)
    message = "`layers` must have two or more layers, none of them empty."
    subject.expect(len(model.layers) > 1 and all(model.layers), message)
    heads = tuple(f"{head}." for head in model.heads)
    early = [name for names in model.layers[:-1] for name in names if name.startswith(heads)]
    subject.expect(
        not early, f"`layers` must have the head's parameters in the last layer; wrong for {', '.join(early[:5])}."
    )


def _check_prepared(subject: Subject, model: LoadedModel, request: LoadRequest) -> PreparedDataset:
    """Check that preparing and collating are deterministic, and return the prepared examples."""
    n = len(request.train)
    prepared, again = model.prepare(request.train, train=True), model.prepare(request.train, train=True)
    subject.expect(len(prepared) == n, f"`prepare` must keep all {n} examples; it returns {len(prepared)}.")
    lengths: object = prepared.lengths
    fits = (
        isinstance(lengths, np.ndarray) and lengths.dtype == np.int64 and lengths.shape == (n,) and (lengths > 0).all()
    )
    subject.expect(fits, "`lengths` must be int64 [n], each above 0. Use ones if all examples cost the same.")
    batch: Any = collated(model, prepared)
    subject.expect(isinstance(batch, dict), f"`collate` must return a dict of tensors, not a {type(batch).__name__}.")
    for name, value in batch.items():
        tensor = isinstance(value, torch.Tensor) and value.device.type == "cpu"
        subject.expect(
            tensor, f"`collate` must return {name!r} as a tensor on the CPU; the loop moves it to the device."
        )
        for other, what in ((prepared, "fetching"), (again, "preparing")):
            message = f"{what} the same examples twice gives a different {name!r}. Use no randomness except `rng`."
            subject.expect_equal(collated(model, other)[name], value, message)
    return prepared


def _check_losses(subject: Subject, model: LoadedModel, prepared: PreparedDataset) -> None:
    """Check the shape, the independence and the gradient of losses."""
    losses = losses_of(model, collated(model, prepared))
    fits = losses.dtype == torch.float32 and tuple(losses.shape) in ((), (PROBE,))
    subject.expect(
        fits, f"`loss` must return float32 [b], or the mean []; it returns {losses.dtype} {list(losses.shape)}."
    )
    if losses.ndim:
        alone = torch.cat([losses_of(model, collated(model, prepared, [row])) for row in range(PROBE)])
        message = "the loss of an example depends on the others in its batch. Mask the padding."
        subject.expect_equal(alone, losses, message, TOLERANCE)
    model.module.train()  # this changes the statistics of batch norms, so it comes last
    training = model.loss(collated(model, prepared))
    finite = bool(torch.isfinite(losses).all() and torch.isfinite(training).all())
    subject.expect(finite and training.requires_grad, "`loss` must be finite, and have a gradient in training mode.")


def _check_own_fit(subject: Subject, loader: ModelLoader, model: SupportsFit, request: LoadRequest) -> None:
    """Check that `fit` learns, is deterministic, and gives the same result with weights of 1 as without weights."""
    ones = np.ones(len(request.train), dtype=np.float32)
    model.fit(request.train, None, request.seed)
    again: Any = loader.load(request)
    again.fit(request.train, ones, request.seed)
    assert isinstance(model, LoadedModel)
    predictions = predicted(model, request.train)
    message = (
        "fitting twice with one seed, without weights and with weights of 1, gives different predictions. "
        "Use only the `seed`, and treat None as weights of 1."
    )
    subject.expect_alike(predicted(again, request.train), predictions, request.output.target, message, TOLERANCE)
    if request.output.layout == SINGLE:
        truth = np.asarray([example.target for example in request.train])
        correct = float(np.mean(predictions.argmax(axis=1) == truth))
        message = f"`fit` learns too little: {correct:.0%} of the training examples are correct after it."
        subject.expect(correct > 1.5 / len(request.labels), message)


def _check_predictions(subject: Subject, model: LoadedModel, request: LoadRequest) -> None:
    """Check the shape of predictions, and that they do not depend on other examples or on targets."""
    examples, target = request.train[:PROBE], request.output.target
    together = predicted(model, examples)
    problem = target.problem(together, PROBE, request.labels)
    subject.expect(not problem, f"`predict` {problem}")
    message = "the prediction for an example depends on the others in its batch. Mask the padding."
    subject.expect_alike(predicted(model, examples, batch_size=1), together, target, message, TOLERANCE)
    message = "the prediction for an example depends on its target. Accept the target None, and do not use the target."
    subject.expect_alike(predicted(model, without_targets(examples)), together, target, message, TOLERANCE)


@torch.no_grad()
def _check_features(subject: Subject, model: Any, prepared: PreparedDataset, target: TargetType) -> None:
    """Check that features and head give what the whole network gives."""
    batch = collated(model, prepared)
    model.module.eval()
    features = model.features(batch)
    subject.expect(len(features) == PROBE, f"`features` must return [b, ...]; it returns {len(features)} examples.")
    if not isinstance(features, torch.Tensor):  # one row per part of an example
        features = torch.cat(list(features))
    logits, again = model.head(features), model.head(features[:1])
    subject.expect_equal(
        again, logits[:1], "the output of `head` for an example must not depend on the others.", TOLERANCE
    )
    message = "`head_loss` from `features` differs from `loss`. Both must compute the same function."
    subject.expect_equal(model.head_loss(logits, batch), model.loss(batch), message, TOLERANCE)
    message = "`head_predict` from `features` differs from `predict`. Both must compute the same function."
    found, wanted = (as_array(each) for each in (model.head_predict(logits, batch), model.predict(batch)))
    subject.expect_alike(found, wanted, target, message, TOLERANCE)


def _check_reopened(
    subject: Subject, loader: ModelLoader, model: LoadedModel, request: LoadRequest, folder: Path
) -> None:
    """Check that saving changes nothing, writes the labels, and keeps the predictions."""
    before = predicted(model, request.train[:PROBE])
    model.save(folder)
    message = "`save` changes the predictions of the model. Write the model without changing it."
    subject.expect_alike(predicted(model, request.train[:PROBE]), before, request.output.target, message)
    texts = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.suffix in _TEXTS)
    lost = [label for label in request.labels if json.dumps(label) not in texts and label not in texts.split()]
    subject.expect(
        not lost,
        f"`save` must write the label names into a text file (such as config.json); missing: {', '.join(lost)}.",
    )
    again = loader.reopen(to_reopen(request, folder))
    message = (
        "the saved model, opened again without training examples and with another seed, predicts differently. "
        "Save everything that `predict` needs, and load it from `request.saved`."
    )
    subject.expect_alike(predicted(again, request.train[:PROBE]), before, request.output.target, message, TOLERANCE)


def _check_baselines(subject: Subject, loader: ModelLoader, request: LoadRequest) -> None:
    """Check the predictions of the loader's baselines."""
    examples: Sequence[Any] = without_targets(request.train[:PROBE])
    for name, values in loader.baselines(request, examples).items():
        problem = request.output.target.problem(values, PROBE, request.labels)
        subject.expect(not problem, f"the baseline {name!r} {problem}")
