"""What an adapter method must do: let the head train, freeze what it says, learn, resume, reopen and merge."""

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
from core.inference.merge import coarsest, tolerance
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

    The head trains; a few steps lower the loss; what is frozen stays as it was; applying it twice with one seed gives
    the same model, and training that is broken off in the middle and taken up with its state by another instance ends
    with the same weights (a resumed run depends on both); its parameter groups cover what trains, once; what was saved
    and opened again predicts the same; and so does the merged model, unless `unmergeable` says why there is none.

    Args:
        method: The method, with its options.
        loader: Options that make a small model, without a network.
        folder: An empty folder to save to.
        request: The task and at least nine training examples; None for synthetic ones of the loader's first task type.
        steps: Optimizer steps within which the loss must fall.
        learning_rate: Of these steps.
        precision: Of their matrix products, `fp32` or `bf16`.

    Raises:
        AssertionError: What is wrong, and what would put it right.
    """
    subject = Subject(f"method={method.name} on model={loader.name}")
    request = request or sample_request(next(iter(loader.task_types), TEXT))
    plan = method.weights()
    subject.expect(
        plan is None or isinstance(plan, QuantizationConfig),
        f"`weights` must give a QuantizationConfig or None: {plan!r}.",
    )
    request = replace(request, weights=plan, additive=method.additive(), frozen=method.frozen, precision=precision)
    model = _applied(subject, method, loader, request, steps)
    _check_heads(subject, model)
    _check_groups(subject, method, model, learning_rate)
    _check_repeatable(subject, model, _applied(subject, method, loader, request, steps))
    _check_learning(subject, method, model, request, steps, learning_rate)
    _check_resumed(subject, method, loader, model, request, steps, learning_rate)
    before = predicted(model, request.train[:PROBE])
    model.save(folder)
    again = method.reopen(loader, to_reopen(request, folder))
    message = "the saved model, opened again by `reopen`, predicts otherwise."
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
    """Check what `core.capabilities` says of a method on a family in a precision: that it works, or why it is refused.

    Args:
        method: The method, with its options.
        loader: Options that make a small model, without a network.
        folder: An empty folder to save to.
        precision: `fp32`, `bf16` or `fp16`; a cell in `fp16` is looked at only where it is refused.
        request: As `check_method` takes it.
        steps: As `check_method` takes them.

    Returns:
        Whether it was found to work.

    Raises:
        AssertionError: It does not work, or it is not refused with the reason.
    """
    found = fit(type(loader), type(method), precision)
    request = request or sample_request(next(iter(loader.task_types), TEXT))
    if found.status == UNSUPPORTED:
        message = refusal(method, loader, request, precision)
        Subject(f"method={method.name} on model={loader.name} in {precision}").expect(
            found.reason in message, f"`check` must refuse it because {found.reason}; it says {message!r}."
        )
        return False
    if precision == "fp16":
        return False
    check_method(method, loader, folder, request, steps, precision=precision)
    return True


def refusal(method: AdapterMethod, loader: ModelLoader, request: LoadRequest, precision: str) -> str:
    """What is said of a run with these before anything is loaded; empty where nothing is wrong with them."""
    data: Any = next(iter(load_registry().components["data"].values()))
    config = RunConfig(request.task, data(), loader, method, {}, TrainConfig(precision=precision))
    try:
        check(config)
    except ConfigError as error:
        return " ".join(str(problem.message) for problem in error.problems if problem.where == "method")
    return ""


def _applied(
    subject: Subject, method: AdapterMethod, loader: ModelLoader, request: LoadRequest, steps: int
) -> LoadedModel:
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
    """Whether a parameter belongs to a head, in the module as it was or wrapped."""
    return any(f".{head}." in f".{name}" for head in heads)


def _check_heads(subject: Subject, model: LoadedModel) -> None:
    trains = [name for name, parameter in _parameters(model).items() if parameter.requires_grad]
    for head in model.heads:
        there = any(_in_head(name, (head,)) for name in trains)
        subject.expect(there, f"`apply` leaves no parameter of the head {head!r} to train; the head always trains.")


def _check_groups(subject: Subject, method: AdapterMethod, model: LoadedModel, rate: float) -> None:
    groups = method.param_groups(model, rate)
    if groups is None:
        return
    named = sorted(name for group in groups for name in group.names)
    trains = sorted(name for name, parameter in _parameters(model).items() if parameter.requires_grad)
    odd = sorted(set(named) ^ set(trains)) or sorted({name for name in named if named.count(name) > 1})
    subject.expect(
        named == trains, f"`param_groups` must hold each parameter that trains once; see {', '.join(odd[:5])}."
    )


def _check_repeatable(subject: Subject, model: LoadedModel, again: LoadedModel) -> None:
    first, second = (unwrap(each.module).state_dict() for each in (model, again))
    same = list(first) == list(second) and all(torch.equal(first[name], second[name]) for name in first)
    subject.expect(same, "applying it twice with one seed gives other weights; a resumed run would differ.")


def _check_learning(
    subject: Subject, method: AdapterMethod, model: LoadedModel, request: LoadRequest, steps: int, rate: float
) -> None:
    parameters = _parameters(model)
    kept: dict[str, Tensor] = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    losses = train_on(model, method, request.train, steps, rate, request.precision)
    shown = ", ".join(f"{loss:.4f}" for loss in losses)
    subject.expect(min(losses[1:]) < losses[0], f"the loss does not fall in {steps} steps: {shown}.")
    moved = {name for name, parameter in parameters.items() if not torch.equal(parameter, kept[name])}
    still = [name for name, parameter in parameters.items() if not parameter.requires_grad and name in moved]
    subject.expect(not still, f"frozen parameters changed while training: {', '.join(still[:5])}.")
    subject.expect(any(_in_head(name, model.heads) for name in moved), "training does not change the head.")


def _check_resumed(
    subject: Subject,
    method: AdapterMethod,
    loader: ModelLoader,
    model: LoadedModel,
    request: LoadRequest,
    steps: int,
    rate: float,
) -> None:
    """Broken off in the middle and taken up by another instance, training ends with the weights that `model` has."""
    middle = steps // 2
    first, second = copy.copy(method), copy.copy(method)
    begun = _applied(subject, first, loader, request, steps)
    optimizer: dict[str, Any] = {}
    train_on(begun, first, request.train, steps, rate, request.precision, stop=middle, kept=optimizer)
    state = _through_a_file(subject, first)
    weights = trainable_state(unwrap(begun.module))
    taken_up = _applied(subject, second, loader, request, steps)
    load_trainable(unwrap(taken_up.module), weights)
    second.load_state_dict(state)
    train_on(taken_up, second, request.train, steps, rate, request.precision, start=middle, kept=optimizer)
    wanted, found = (trainable_state(unwrap(each.module)) for each in (model, taken_up))
    odd = [name for name, value in wanted.items() if not torch.equal(value, found[name])]
    message = f"a resumed run ends with other weights ({', '.join(odd[:3])}); is all of its state in `state_dict`?"
    subject.expect(not odd, message)


def _through_a_file(subject: Subject, method: AdapterMethod) -> dict[str, Any]:
    """The method's state, as a checkpoint gives it back."""
    buffer = io.BytesIO()
    torch.save(method.state_dict(), buffer)
    buffer.seek(0)
    try:
        state: dict[str, Any] = torch.load(buffer, weights_only=True)
    except Exception as error:  # whatever the unpickler refuses
        subject.fail(f"`state_dict` may hold tensors, numbers, texts, lists and dicts only: {error}")
    return state


def _check_merged(
    subject: Subject, method: AdapterMethod, loader: ModelLoader, again: LoadedModel, request: LoadRequest, folder: Path
) -> None:
    """Whole weights, saved by the family and opened by its loader alone, predict what the adapter does."""
    if method.unmergeable:
        return
    before, held = predicted(again, request.train[:PROBE]), coarsest(again.module)
    merged = method.merge(again)
    subject.expect(isinstance(merged, LoadedModel), f"`merge` must return a LoadedModel, not {type(merged).__name__}.")
    merged.save(folder / "merged")
    whole = loader.reopen(replace(to_reopen(request, folder / "merged"), weights=None, additive=False))
    message = "the merged model, saved and opened by its loader alone, predicts otherwise."
    allowed = tolerance(FP32, method.weights(), held)
    subject.expect_alike(predicted(whole, request.train[:PROBE]), before, request.output.target, message, allowed)
