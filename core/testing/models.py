"""What a model loader must do: declare its parts, prepare alike each time, predict example by example, and reopen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.contracts.capabilities import ADAPTERS, FEATURES, LAYERS
from core.contracts.components import ModelLoader
from core.contracts.model import LoadedModel, LoadRequest, PreparedDataset, Provenance
from core.contracts.protocols import SupportsFeatures, SupportsFit
from core.tasks.targets.labels import SINGLE
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

    Heads and adapter targets exist, and so does what `capabilities` names; preparing and collating are deterministic;
    losses and predictions are shaped as the target type says and do not depend on the other examples of a batch, nor
    predictions on targets; class weights are applied; what was trained, saved and opened again predicts the same. Of a
    model with features, the head makes of them what the network does; one with a fit of its own learns, and its `loss`
    is not looked at.

    Args:
        loader: Options that make a small model, without a network.
        folder: An empty folder to save to.
        request: The task and at least nine training examples; None for synthetic ones of the loader's first task type.
        target: Of the synthetic task.

    Raises:
        AssertionError: What is wrong, and what would put it right.
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
        _check_class_weights(subject, loader, request)
        fresh, again = (predicted(loader.load(request), request.train[:PROBE]) for _ in range(2))
        message = "loading twice with one seed gives other predictions; draw the head from request.seed."
        subject.expect_alike(again, fresh, request.output.target, message)
        train_on(model, Everything(), request.train[:PROBE], STEPS, RATE)
    _check_predictions(subject, model, request)
    if isinstance(model, SupportsFeatures):
        _check_features(subject, model, prepared)
    _check_reopened(subject, loader, model, request, folder)
    _check_baselines(subject, loader, request)


def _check_declared(subject: Subject, loader: ModelLoader, model: LoadedModel) -> None:
    subject.expect(isinstance(model, LoadedModel), f"`load` must give a LoadedModel, not {type(model).__name__}.")
    own = isinstance(model, SupportsFit)
    subject.expect(
        own == loader.own_fit, f"`own_fit` is {loader.own_fit}, yet the model has {'a' if own else 'no'} `fit`."
    )
    known = isinstance(model.provenance, Provenance) and model.provenance.init in ("pretrained", "scratch")
    subject.expect(known, "`provenance` must be a Provenance whose init is `pretrained` or `scratch`.")
    subject.expect(isinstance(model.findings, list), "`findings` must be a list.")
    unknown = sorted(set(model.defaults) - {"epochs", "learning_rate"})
    subject.expect(not unknown, f"`defaults` may hold epochs and learning_rate, not {', '.join(unknown)}.")
    if own:
        return
    modules = dict(model.module.named_modules())
    subject.expect(model.heads, "`heads` must name the submodules that are the task's head.")
    for head in model.heads:
        subject.expect(head in modules, f"`heads` names {head!r}, and the module has no such submodule.")
        subject.expect(list(modules[head].parameters()), f"the head {head!r} has no parameters to train.")
    for end in model.adapter_targets:
        there = any(name == end or name.endswith(f".{end}") for name in modules)
        subject.expect(there, f"`adapter_targets` names {end!r}, and no submodule's name ends so.")
    _check_capabilities(subject, loader, model)


def _check_capabilities(subject: Subject, loader: ModelLoader, model: LoadedModel) -> None:
    """What the loader declares in `capabilities`, its models have."""
    has = isinstance(model, SupportsFeatures)
    declared = FEATURES in loader.capabilities
    message = f"`capabilities` {'names' if declared else 'lacks'} {FEATURES!r}, yet the model has "
    subject.expect(has == declared, message + ("them (`features`, `head`, …)." if has else "no `features`."))
    if ADAPTERS in loader.capabilities:
        subject.expect(model.adapter_targets, f"`capabilities` names {ADAPTERS!r}, and `adapter_targets` is empty.")
    if LAYERS in loader.capabilities:
        _check_layers(subject, model)


def _check_layers(subject: Subject, model: LoadedModel) -> None:
    """Every parameter is in one layer, and those of the head are in the last."""
    placed = [name for names in model.layers for name in names]
    names = [name for name, _ in model.module.named_parameters()]
    odd = sorted(set(placed) ^ set(names)) or sorted({name for name in placed if placed.count(name) > 1})
    message = f"`layers` must name each parameter of the module once; see {', '.join(odd[:5])}."
    subject.expect(sorted(placed) == sorted(names), message)
    subject.expect(len(model.layers) > 1 and all(model.layers), "`layers` needs two or more, none of them empty.")
    heads = tuple(f"{head}." for head in model.heads)
    early = [name for names in model.layers[:-1] for name in names if name.startswith(heads)]
    subject.expect(not early, f"`layers` must hold the head's parameters in the last one; see {', '.join(early[:5])}.")


def _check_prepared(subject: Subject, model: LoadedModel, request: LoadRequest) -> PreparedDataset:
    n = len(request.train)
    prepared, again = model.prepare(request.train, train=True), model.prepare(request.train, train=True)
    subject.expect(len(prepared) == n, f"`prepare` gives {len(prepared)} of {n} examples.")
    lengths: object = prepared.lengths
    fits = (
        isinstance(lengths, np.ndarray) and lengths.dtype == np.int64 and lengths.shape == (n,) and (lengths > 0).all()
    )
    subject.expect(fits, "`lengths` must be int64 [n], each above 0; ones where all examples cost the same.")
    batch: Any = collated(model, prepared)
    subject.expect(isinstance(batch, dict), f"`collate` must give a dict of tensors, not a {type(batch).__name__}.")
    for name, value in batch.items():
        tensor = isinstance(value, torch.Tensor) and value.device.type == "cpu"
        subject.expect(tensor, f"`collate` must give {name} as a tensor on the CPU; the loop moves it.")
        for other, what in ((prepared, "fetching"), (again, "preparing")):
            message = f"{what} the same examples twice gives another {name}; draw from `rng` alone."
            subject.expect_equal(collated(model, other)[name], value, message)
    return prepared


def _check_losses(subject: Subject, model: LoadedModel, prepared: PreparedDataset) -> None:
    losses = losses_of(model, collated(model, prepared))
    fits = losses.dtype == torch.float32 and tuple(losses.shape) in ((), (PROBE,))
    subject.expect(fits, f"`loss` must be float32 [b], or its mean []; it is {losses.dtype} {list(losses.shape)}.")
    if losses.ndim:
        alone = torch.cat([losses_of(model, collated(model, prepared, [row])) for row in range(PROBE)])
        message = "the loss of an example depends on the others in its batch (is padding masked?)."
        subject.expect_equal(alone, losses, message, TOLERANCE)
    model.module.train()  # which moves the statistics of batch norms, so it comes last
    training = model.loss(collated(model, prepared))
    finite = bool(torch.isfinite(losses).all() and torch.isfinite(training).all())
    subject.expect(finite and training.requires_grad, "`loss` must be finite, and have a gradient in training.")


def _check_class_weights(subject: Subject, loader: ModelLoader, request: LoadRequest) -> None:
    """A weight scales the losses of its label's examples, and of no others."""
    target = request.output.target
    if "class_weights" not in target.train_options:
        return
    weights = tuple(1.0 + label for label in range(len(request.labels)))
    plain, weighted = (
        losses_of(model, collated(model, model.prepare(request.train, train=True)))
        for model in (loader.load(request), loader.load(replace(request, class_weights=weights)))
    )
    scale = target.example_weights(request.output.targets_of(request.train[:PROBE]), weights)
    if plain.ndim and scale is not None:
        message = "request.class_weights does not scale the loss; hand it to core.training.per_example_loss."
        subject.expect_equal(weighted, plain * torch.from_numpy(scale), message, 1e-4)


def _check_own_fit(subject: Subject, loader: ModelLoader, model: SupportsFit, request: LoadRequest) -> None:
    """It learns, the same each time, and weights of one are no weights."""
    ones = np.ones(len(request.train), dtype=np.float32)
    model.fit(request.train, None, request.seed)
    again: Any = loader.load(request)
    again.fit(request.train, ones, request.seed)
    assert isinstance(model, LoadedModel)
    found = predicted(model, request.train)
    message = "fitting twice with one seed, without weights and with weights of 1, gives other predictions."
    subject.expect_alike(predicted(again, request.train), found, request.output.target, message, TOLERANCE)
    if request.output.layout == SINGLE:
        right = float(np.mean(found.argmax(axis=1) == np.asarray([example.target for example in request.train])))
        subject.expect(
            right > 1.5 / len(request.labels), f"`fit` learns nothing: {right:.0%} of its own examples are right."
        )


def _check_predictions(subject: Subject, model: LoadedModel, request: LoadRequest) -> None:
    examples, target = request.train[:PROBE], request.output.target
    together = predicted(model, examples)
    problem = target.problem(together, PROBE, request.labels)
    subject.expect(not problem, f"`predict` {problem}")
    message = "the prediction for an example depends on the others in its batch (is padding masked?)."
    subject.expect_alike(predicted(model, examples, batch_size=1), together, target, message, TOLERANCE)
    message = "an example without a target (None) is predicted differently from the same one with it."
    subject.expect_alike(predicted(model, without_targets(examples)), together, target, message, TOLERANCE)


@torch.no_grad()
def _check_features(subject: Subject, model: Any, prepared: PreparedDataset) -> None:
    batch = collated(model, prepared)
    model.module.eval()
    features = model.features(batch)
    subject.expect(len(features) == PROBE, f"`features` must be [b, ...]; it is {list(features.shape)}.")
    logits, again = model.head(features), model.head(features[:1])
    subject.expect_equal(again, logits[:1], "`head` mixes examples.", TOLERANCE)
    message = "from features on differs from what the whole network gives."
    subject.expect_equal(model.head_loss(logits, batch), model.loss(batch), f"the loss {message}", TOLERANCE)
    subject.expect_equal(model.head_predict(logits), model.predict(batch), f"the prediction {message}", TOLERANCE)


def _check_reopened(
    subject: Subject, loader: ModelLoader, model: LoadedModel, request: LoadRequest, folder: Path
) -> None:
    before = predicted(model, request.train[:PROBE])
    model.save(folder)
    message = "`save` changes what the model predicts."
    subject.expect_alike(predicted(model, request.train[:PROBE]), before, request.output.target, message)
    texts = "".join(path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.suffix in _TEXTS)
    lost = [label for label in request.labels if json.dumps(label) not in texts and label not in texts.split()]
    subject.expect(not lost, f"`save` writes no file that names the labels (not found: {', '.join(lost)}).")
    again = loader.reopen(to_reopen(request, folder))
    message = "the saved model, opened again without training examples and with another seed, predicts otherwise."
    subject.expect_alike(predicted(again, request.train[:PROBE]), before, request.output.target, message, TOLERANCE)


def _check_baselines(subject: Subject, loader: ModelLoader, request: LoadRequest) -> None:
    examples: Sequence[Any] = without_targets(request.train[:PROBE])
    for name, values in loader.baselines(request, examples).items():
        problem = request.output.target.problem(values, PROBE, request.labels)
        subject.expect(not problem, f"the baseline {name} {problem}")
