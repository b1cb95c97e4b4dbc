"""What a model loader must do: declare its parts, prepare alike each time, predict each example by itself, and reopen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.contracts import HasFeatures, HasOwnFit, LoadedModel, ModelLoader, Need, Provenance, saved_at
from core.environment import Hardware, seed_everything
from core.evaluate import predict
from core.kinds import MULTI, SINGLE
from core.testing.expect import Subject
from core.testing.samples import sample_need
from core.testing.training import Trained, probabilities_or_values, stripped, train_on

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from core.contracts import Prepared

PROBE = 9
"""Examples whose predictions are compared."""
TOLERANCE = 1e-5
STEPS = 3


def check_model_loader(loader: ModelLoader, folder: Path, need: Need | None = None, target: str = SINGLE) -> None:
    """Check a model loader on a small task, on a CPU.

    Heads and adapter targets exist; preparing and collating are deterministic; losses and predictions are shaped as
    `core.kinds` says and do not depend on the other examples of a batch, nor predictions on targets; class weights are
    applied; what was trained, saved and opened again predicts the same. Of a model with features, the head makes of
    them what the network does; one with a fit of its own learns.

    Args:
        loader: Options that make a small model, without a network.
        folder: An empty folder to save to.
        need: The task and its training examples; None for synthetic ones of the loader's first kind and `target`.
        target: Of the synthetic task.

    Raises:
        AssertionError: What is wrong, and what would put it right.
    """
    subject = Subject(f"model={loader.name}")
    need = need or sample_need(*loader.kinds[:1], target=target)
    model = loader.load(need)
    _check_declared(subject, loader, model)
    if isinstance(model, HasOwnFit):
        _check_own_fit(subject, loader, model, need)
    prepared = _check_prepared(subject, model, need)
    _check_losses(subject, model, prepared)
    if need.task.target == SINGLE and not isinstance(model, HasOwnFit):
        _check_class_weights(subject, loader, need)
    _check_predictions(subject, model, need)
    if isinstance(model, HasFeatures):
        _check_features(subject, model, prepared)
    if not isinstance(model, HasOwnFit):
        again = loader.load(need)
        message = "loading twice with one seed gives other predictions; seed the head with need.seed."
        subject.expect_equal(_predicted(again, need), _predicted(model, need), message)
        train_on(model, need, STEPS)
    _check_reopened(subject, loader, model, need, folder)
    _check_baselines(subject, loader, need)


def _check_declared(subject: Subject, loader: ModelLoader, model: LoadedModel) -> None:
    subject.expect(isinstance(model, LoadedModel), f"`load` must give a LoadedModel, not {type(model).__name__}.")
    own = isinstance(model, HasOwnFit)
    subject.expect(
        own == loader.own_fit, f"`own_fit` is {loader.own_fit}, but the model has {'a' if own else 'no'} `fit`."
    )
    provenance = isinstance(model.provenance, Provenance) and model.provenance.init in ("pretrained", "scratch")
    subject.expect(provenance, "`provenance` must be a Provenance whose init is `pretrained` or `scratch`.")
    subject.expect(isinstance(model.findings, list), "`findings` must be a list of its own.")
    unknown = sorted(set(model.defaults) - {"epochs", "learning_rate"})
    subject.expect(not unknown, f"`defaults` may hold epochs and learning_rate, not {', '.join(unknown)}.")
    if own:
        return
    modules = dict(model.module.named_modules())
    subject.expect(model.heads, "`heads` must name the submodules that are the task's head.")
    for head in model.heads:
        subject.expect(head in modules, f"`heads` names {head!r}, and the module has no such submodule.")
        subject.expect(any(True for _ in modules[head].parameters()), f"the head {head!r} has no parameters to train.")
    for end in model.adapter_targets:
        there = any(name == end or name.endswith(f".{end}") for name in modules)
        subject.expect(there, f"`adapter_targets` names {end!r}, and no submodule's name ends so.")


def _check_prepared(subject: Subject, model: LoadedModel, need: Need) -> Prepared:
    examples = need.train
    prepared, again = model.prepare(examples, train=True), model.prepare(examples, train=True)
    subject.expect(len(prepared) == len(examples), f"`prepare` gives {len(prepared)} of {len(examples)} examples.")
    lengths = prepared.lengths
    fits = isinstance(lengths, np.ndarray) and lengths.dtype == np.int64 and lengths.shape == (len(examples),)
    subject.expect(fits and (lengths > 0).all(), "`lengths` must be int64 [n], each above 0.")
    for name, value in _collated(subject, model, prepared).items():
        subject.expect(
            isinstance(value, torch.Tensor), f"`collate` gives {name} as a {type(value).__name__}, not a tensor."
        )
        subject.expect(value.device.type == "cpu", f"`collate` must leave {name} on the CPU; the loop moves it.")
        for other, what in ((prepared, "fetching and collating"), (again, "preparing")):
            repeated = _collated(subject, model, other)[name]
            subject.expect_equal(repeated, value, f"{what} twice gives another {name}; draw from `rng` alone.")
    return prepared


def _collated(subject: Subject, model: LoadedModel, prepared: Prepared, rows: Sequence[int] = range(PROBE)) -> Any:
    batch = model.collate([prepared.fetch(row, 0, np.random.default_rng(row)) for row in rows])
    subject.expect(isinstance(batch, dict), f"`collate` must give a dict of tensors, not a {type(batch).__name__}.")
    return batch


def _check_losses(subject: Subject, model: LoadedModel, prepared: Prepared) -> None:
    model.module.eval()
    with torch.no_grad():
        losses = model.loss(_collated(subject, model, prepared))
        fits = losses.dtype == torch.float32 and losses.shape in ((), (PROBE,))
        subject.expect(
            fits, f"`loss` must be float32 [b] (or its mean, []); it is {losses.dtype} {list(losses.shape)}."
        )
        subject.expect(bool(torch.isfinite(losses).all()), "`loss` is not a finite number.")
        if losses.ndim:
            alone = torch.cat([model.loss(_collated(subject, model, prepared, [row])) for row in range(PROBE)])
            message = "the loss of an example depends on the other examples in its batch (is padding masked?)."
            subject.expect_equal(alone, losses, message, TOLERANCE)


def _check_class_weights(subject: Subject, loader: ModelLoader, need: Need) -> None:
    """A weight scales the losses of its label's examples, and no others."""
    weights = tuple(1.0 + label for label in range(len(need.labels)))
    losses = [_first_losses(subject, loader.load(each)) for each in (need, replace(need, class_weights=weights))]
    if losses[0].ndim == 0:
        return
    scale = torch.tensor([weights[example.target] for example in need.train[:PROBE]])
    message = "need.class_weights do not scale the loss; hand them to core.losses.per_example."
    subject.expect_equal(losses[1], losses[0] * scale, message, 1e-4)


def _first_losses(subject: Subject, model: Any) -> Tensor:
    model.module.eval()
    with torch.no_grad():
        losses: Tensor = model.loss(_collated(subject, model, model.prepare(model.need.train, train=True)))
    return losses


def _predicted(model: LoadedModel, need: Need, batch_size: int = PROBE) -> NDArray[np.float32]:
    return predict(model, model.prepare(need.train[:PROBE], train=False), Hardware("cpu", "fp32"), batch_size)


def _check_predictions(subject: Subject, model: LoadedModel, need: Need) -> None:
    target, outputs = need.task.target, len(need.labels)
    together = _predicted(model, need)
    problem = probabilities_or_values(together, target, PROBE, outputs)
    subject.expect(not problem, f"`predict` {problem}")
    message = "the prediction for an example depends on the other examples in its batch (is padding masked?)."
    subject.expect_equal(_predicted(model, need, batch_size=1), together, message, TOLERANCE)
    unlabelled = replace(need, train=stripped(need.train[:PROBE]))
    message = "predictions for examples without a target (None) differ from those for the same ones with it."
    subject.expect_equal(_predicted(model, unlabelled), together, message, TOLERANCE)
