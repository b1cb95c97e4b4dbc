"""Check an adapter method: it trains the head, keeps frozen weights, learns, resumes, reopens and merges."""

from __future__ import annotations

import copy
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.config.validation import check
from core.contracts.capabilities import FP32
from core.contracts.components import AdapterMethod, ModelLoader, RunConfig
from core.contracts.model import LoadedModel, LoadRequest, QuantizationConfig, TrainingPlan
from core.contracts.train_config import TrainConfig
from core.errors import ConfigError
from core.inference.merge import tolerance
from core.registry.compatibility import UNSUPPORTED, fit
from core.registry.registry import load_registry
from core.runtime.determinism import seed_everything
from core.runtime.modules import load_trainable, trainable_state, unwrap
from core.testing.expect import Subject
from core.testing.running import PROBE, TOLERANCE, predicted, to_reopen, train_on
from core.testing.samples import TEXT, sample_request


def check_method(
    method: AdapterMethod,
    loader: ModelLoader,
    folder: Path,
    request: LoadRequest | None = None,
    steps: int = 12,
    learning_rate: float = 3e-3,
    precision: str = FP32,
) -> None:
    """Check an adapter method on a small model, on a CPU.

    Requirements:

    - The head trains, and a few steps lower the loss. Frozen parameters do not change.
    - Its parameter groups contain each trainable parameter once.
    - Applying it twice with one seed gives the same weights.
    - A training that is interrupted and resumed by a new instance, from `state_dict`, ends with the same weights.
    - The saved model predicts the same after `reopen`.
    - The merged model predicts the same, unless `unmergeable` says why the method cannot merge.

    Args:
        method: The method, with its options.
        loader: A model loader whose options make a small model without a network.
        folder: An empty folder to save to.
        request: The task and at least nine training examples; None for synthetic ones of the loader's first task type.
        steps: Number of optimizer steps within which the loss must fall.
        learning_rate: The learning rate of these steps.
        precision: The precision of matrix products, `fp32` or `bf16`.

    Raises:
        AssertionError: A requirement is not met.
    """
    subject = Subject(f"method={method.name} on model={loader.name}")
    request = request or sample_request(next(iter(loader.task_types), TEXT))
    plan = method.weights()
    subject.expect(
        plan is None or isinstance(plan, QuantizationConfig),
        f"`weights` must return a QuantizationConfig or None; it returns {plan!r}.",
    )
    request = replace(request, weights=plan, additive=method.additive(), frozen=method.frozen, precision=precision)
    model = _load_and_apply(subject, method, loader, request, steps)
    _check_heads(subject, model)
    _check_groups(subject, method, model, learning_rate)
    _check_repeatable(subject, model, _load_and_apply(subject, method, loader, request, steps))
    _check_learning(subject, method, model, request, steps, learning_rate)
    _check_resumed(subject, method, loader, model, request, steps, learning_rate)
    before = predicted(model, request.train[:PROBE])
    model.save(folder)
    again = method.reopen(loader, to_reopen(request, folder))
    message = "the saved model predicts differently after `reopen`. Save everything that the method changes."
    subject.expect_alike(predicted(again, request.train[:PROBE]), before, request.output.target, message, TOLERANCE)
    _check_merged(subject, method, loader, again, request, folder)


def check_cell(
    method: AdapterMethod,
    loader: ModelLoader,
    folder: Path,
    precision: str = FP32,
    request: LoadRequest | None = None,
    steps: int = 12,
) -> bool:
    """Check one cell of the compatibility table: a method on a model family in a precision.

    If `core.registry.compatibility` says that the cell works, this runs `check_method`. Otherwise it checks that the
    configuration is refused with the stated reason.

    Args:
        method: The method, with its options.
        loader: A model loader whose options make a small model without a network.
        folder: An empty folder to save to.
        precision: `fp32`, `bf16` or `fp16`; in `fp16`, only the refusal is checked.
        request: As for `check_method`.
        steps: As for `check_method`.

    Returns:
        Whether `check_method` ran, and passed.

    Raises:
        AssertionError: A supported cell does not work, or an unsupported one is not refused with the stated reason.
    """
    cell = fit(type(loader), type(method), precision)
    request = request or sample_request(next(iter(loader.task_types), TEXT))
    if cell.status == UNSUPPORTED:
        message = refusal(method, loader, request, precision)
        Subject(f"method={method.name} on model={loader.name} in {precision}").expect(
            cell.reason in message,
            f"is unsupported, so `check` must refuse it with the reason {cell.reason!r}; it says {message!r}.",
        )
        return False
    if precision == "fp16":
        return False
    check_method(method, loader, folder, request, steps, precision=precision)
    return True


def refusal(method: AdapterMethod, loader: ModelLoader, request: LoadRequest, precision: str) -> str:
    """Return the problems with the method that the check of a configuration reports; empty if there are none."""
    data: Any = next(iter(load_registry().components["data"].values()))
    config = RunConfig(request.task, data(), loader, method, {}, TrainConfig(precision=precision))
    try:
        check(config)
    except ConfigError as error:
        return " ".join(str(problem.message) for problem in error.problems if problem.where == "method")
    return ""


def _load_and_apply(
    subject: Subject, method: AdapterMethod, loader: ModelLoader, request: LoadRequest, steps: int
) -> LoadedModel:
    """Return a new model with the method applied."""
    model = loader.load(request)
    seed_everything(request.seed)
    adapted = method.apply(model, TrainingPlan(steps, 1.0, seed=request.seed, augmented=model.augmented))
    subject.expect(
        isinstance(adapted, LoadedModel), f"`apply` must return a LoadedModel, not {type(adapted).__name__}."
    )
    return adapted


def _parameters(model: LoadedModel) -> dict[str, torch.nn.Parameter]:
    return dict(unwrap(model.module).named_parameters())


def _in_head(name: str, heads: tuple[str, ...]) -> bool:
    """Return whether a parameter belongs to a head, also inside wrappers."""
    return any(f".{head}." in f".{name}" for head in heads)


def _check_heads(subject: Subject, model: LoadedModel) -> None:
    """Check that every head has a trainable parameter."""
    trainable = [name for name, parameter in _parameters(model).items() if parameter.requires_grad]
    for head in model.heads:
        message = (
            f"`apply` freezes all parameters of the head {head!r}, but the head always trains. Leave it trainable."
        )
        subject.expect(any(_in_head(name, (head,)) for name in trainable), message)


def _check_groups(subject: Subject, method: AdapterMethod, model: LoadedModel, rate: float) -> None:
    """Check that the parameter groups contain each trainable parameter once."""
    groups = method.param_groups(model, rate)
    if groups is None:
        return
    named = sorted(name for group in groups for name in group.names)
    trainable = sorted(name for name, parameter in _parameters(model).items() if parameter.requires_grad)
    wrong = sorted(set(named) ^ set(trainable)) or sorted({name for name in named if named.count(name) > 1})
    message = f"`param_groups` must contain each trainable parameter once; wrong for {', '.join(wrong[:5])}."
    subject.expect(named == trainable, message)


def _check_repeatable(subject: Subject, model: LoadedModel, again: LoadedModel) -> None:
    """Check that two models with the method applied have the same weights."""
    first, second = (unwrap(each.module).state_dict() for each in (model, again))
    same = list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)
    subject.expect(
        same, "applying it twice with one seed gives different weights, so a resumed run would differ. Use plan.seed."
    )


def _check_learning(
    subject: Subject, method: AdapterMethod, model: LoadedModel, request: LoadRequest, steps: int, rate: float
) -> None:
    """Check that the loss falls, that frozen parameters do not change, and that the head does."""
    parameters = _parameters(model)
    before: dict[str, Tensor] = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    losses = train_on(model, method, request.train, steps, rate, request.precision)
    listed = ", ".join(f"{loss:.4f}" for loss in losses)
    subject.expect(
        min(losses[1:]) < losses[0],
        f"the loss does not fall in {steps} steps at the learning rate {rate:g}: {listed}. "
        "Pass a higher `learning_rate` or more `steps`, or see what `apply` leaves trainable.",
    )
    changed = {name for name, parameter in parameters.items() if not torch.equal(parameter, before[name])}
    frozen = [name for name, parameter in parameters.items() if not parameter.requires_grad and name in changed]
    subject.expect(not frozen, f"training changes frozen parameters: {', '.join(frozen[:5])}.")
    subject.expect(any(_in_head(name, model.heads) for name in changed), "training does not change the head.")


def _check_resumed(
    subject: Subject,
    method: AdapterMethod,
    loader: ModelLoader,
    model: LoadedModel,
    request: LoadRequest,
    steps: int,
    rate: float,
) -> None:
    """Check that an interrupted training, resumed by another instance, ends with the weights of `model`."""
    middle = steps // 2
    first, second = copy.copy(method), copy.copy(method)
    interrupted = _load_and_apply(subject, first, loader, request, steps)
    optimizer: dict[str, Any] = {}
    train_on(interrupted, first, request.train, steps, rate, request.precision, stop=middle, kept=optimizer)
    state = _save_and_load_state(subject, first)
    weights = trainable_state(unwrap(interrupted.module))
    resumed = _load_and_apply(subject, second, loader, request, steps)
    load_trainable(unwrap(resumed.module), weights)
    second.load_state_dict(state)
    train_on(resumed, second, request.train, steps, rate, request.precision, start=middle, kept=optimizer)
    expected, actual = (trainable_state(unwrap(each.module)) for each in (model, resumed))
    different = [name for name, value in expected.items() if not torch.equal(value, actual[name])]
    message = f"a resumed run ends with other weights ({', '.join(different[:3])}). Put all state into `state_dict`."
    subject.expect(not different, message)


def _save_and_load_state(subject: Subject, method: AdapterMethod) -> dict[str, Any]:
    """Return the method's state after it was saved and loaded."""
    buffer = io.BytesIO()
    torch.save(method.state_dict(), buffer)
    buffer.seek(0)
    try:
        state: dict[str, Any] = torch.load(buffer, weights_only=True)
    except Exception as error:  # the unpickler raises many types of errors
        subject.fail(f"`state_dict` may contain only tensors, numbers, texts, lists and dicts: {error}")
    return state


def _check_merged(
    subject: Subject, method: AdapterMethod, loader: ModelLoader, again: LoadedModel, request: LoadRequest, folder: Path
) -> None:
    """Check that the merged model, saved and opened by the loader without the method, predicts the same."""
    if method.unmergeable:
        return
    before, dtype = predicted(again, request.train[:PROBE]), again.coarsest_precision()
    merged = method.merge(again)
    subject.expect(isinstance(merged, LoadedModel), f"`merge` must return a LoadedModel, not {type(merged).__name__}.")
    merged.save(folder / "merged")
    whole = loader.reopen(replace(to_reopen(request, folder / "merged"), weights=None, additive=False))
    message = "the merged model, saved and opened without the method, predicts differently. Correct `merge`."
    allowed = tolerance(FP32, method.weights(), dtype)
    subject.expect_alike(predicted(whole, request.train[:PROBE]), before, request.output.target, message, allowed)
