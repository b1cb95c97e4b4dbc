"""What an adapter method must do: let the head train, freeze what it says it freezes, learn, resume and reopen."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from core.contracts import AdapterMethod, LoadedModel, ModelLoader, Need, Plan, WeightsPlan
from core.environment import seed_everything, unwrap
from core.testing.expect import Subject
from core.testing.running import PROBE, TOLERANCE, predicted, to_reopen, train_on
from core.testing.samples import TEXT, sample_need


def check_method(
    method: AdapterMethod,
    loader: ModelLoader,
    folder: Path,
    need: Need | None = None,
    steps: int = 12,
    learning_rate: float = 3e-3,
) -> None:
    """Check an adapter method on a small model, on a CPU.

    The head trains; a few steps lower the loss; what is frozen stays as it was; applying it twice with one seed gives
    the same model (a resumed run depends on it); its parameter groups cover what trains, once; its state survives a
    checkpoint; what was saved and opened again predicts the same.

    Args:
        method: The method, with its options.
        loader: Options that make a small model, without a network.
        folder: An empty folder to save to.
        need: The task and at least nine training examples; None for synthetic ones of the loader's first kind.
        steps: Optimizer steps within which the loss must fall.
        learning_rate: Of these steps.

    Raises:
        AssertionError: What is wrong, and what would put it right.
    """
    subject = Subject(f"method={method.name} on model={loader.name}")
    need = need or sample_need(next(iter(loader.kinds), TEXT))
    plan = method.weights()
    subject.expect(
        plan is None or isinstance(plan, WeightsPlan), f"`weights` must give a WeightsPlan or None: {plan!r}."
    )
    need = replace(need, weights=plan, additive=method.additive, frozen=method.frozen)
    model = _applied(subject, method, loader, need, steps)
    _check_heads(subject, model)
    _check_groups(subject, method, model, learning_rate)
    _check_repeatable(subject, model, _applied(subject, method, loader, need, steps))
    _check_learning(subject, method, model, need, steps, learning_rate)
    _check_state(subject, method)
    before = predicted(model, need.train[:PROBE])
    model.save(folder)
    again = method.reopen(loader, to_reopen(need, folder))
    message = "the saved model, opened again by `reopen`, predicts otherwise."
    subject.expect_equal(predicted(again, need.train[:PROBE]), before, message, TOLERANCE)


def _applied(subject: Subject, method: AdapterMethod, loader: ModelLoader, need: Need, steps: int) -> LoadedModel:
    model = loader.load(need)
    seed_everything(need.seed)
    adapted = method.apply(model, Plan(steps, 1.0, seed=need.seed, augmented=model.augmented))
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
    subject: Subject, method: AdapterMethod, model: LoadedModel, need: Need, steps: int, rate: float
) -> None:
    parameters = _parameters(model)
    kept: dict[str, Tensor] = {name: parameter.detach().clone() for name, parameter in parameters.items()}
    losses = train_on(model, method, need.train, steps, rate)
    shown = ", ".join(f"{loss:.4f}" for loss in losses)
    subject.expect(min(losses[1:]) < losses[0], f"the loss does not fall in {steps} steps: {shown}.")
    moved = {name for name, parameter in parameters.items() if not torch.equal(parameter, kept[name])}
    still = [name for name, parameter in parameters.items() if not parameter.requires_grad and name in moved]
    subject.expect(not still, f"frozen parameters changed while training: {', '.join(still[:5])}.")
    subject.expect(any(_in_head(name, model.heads) for name in moved), "training does not change the head.")


def _check_state(subject: Subject, method: AdapterMethod) -> None:
    buffer = io.BytesIO()
    torch.save(method.state_dict(), buffer)
    buffer.seek(0)
    try:
        state = torch.load(buffer, weights_only=True)
    except Exception as error:  # whatever the unpickler refuses
        subject.fail(f"`state_dict` may hold tensors, numbers, texts, lists and dicts only: {error}")
    method.load_state_dict(state)
