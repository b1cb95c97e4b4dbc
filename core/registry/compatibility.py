"""Decide which adapter method fits which model family in which precision, and why.

A loader declares what its models can do (`ModelLoader.capabilities`). A method declares what it needs, each with the
reason (`AdapterMethod.needs`). Both declare the precisions in which they cannot work (`refuses`). Neither knows the
other, so a third party's method works with a third party's model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.contracts.capabilities import (
    ADAPTERS,
    BIASES,
    CHECKPOINTING,
    FEATURES,
    FP16,
    FP32,
    GRADIENTS,
    LAYERS,
    LINEAR,
    PAST,
    PRECISIONS,
    QUANTIZED,
    VIRTUAL,
)

if TYPE_CHECKING:
    from core.contracts.components import AdapterMethod, ModelLoader


NOTES = {FP16: "needs gradient scaling and a GPU; no combination is tested"}
"""Notes on precisions, for every family and every method."""


@dataclass(frozen=True)
class Capability:
    """Something that the models of a loader can do.

    Attributes:
        name: Its name in the declarations of loaders and methods.
        meaning: What a loader promises when it declares the capability.
        lacking: The end of a sentence about a loader without the capability.
        implied_by: Another capability that implies it; `ModelLoader.partly` lists the exceptions.
    """

    name: str
    meaning: str
    lacking: str
    implied_by: str = ""


CAPABILITIES: Mapping[str, Capability] = {
    each.name: each
    for each in (
        Capability(GRADIENTS, "its models train with gradients, in the training loop", "does not train with gradients"),
        Capability(
            ADAPTERS,
            "it lists the submodules that an adapter can wrap (`adapter_targets`)",
            "does not list the submodules that an adapter can wrap (`adapter_targets`)",
        ),
        Capability(
            LAYERS,
            "it lists its parameters by depth (`layers`)",
            "does not list its parameters by depth (`layers`)",
        ),
        Capability(
            FEATURES,
            "its backbone and head can run separately, so that features are computed once",
            "cannot run its backbone and head separately",
        ),
        Capability(
            QUANTIZED,
            "it can quantize the base weights while it loads them",
            "cannot quantize its weights while it loads them",
        ),
        Capability(
            CHECKPOINTING,
            "it can recompute activations in the backward pass (`train.gradient_checkpointing`)",
            "cannot recompute activations in the backward pass",
        ),
        Capability(
            LINEAR, "some of the submodules that an adapter can wrap are linear layers", "has convolutions only"
        ),
        Capability(
            VIRTUAL, "it accepts virtual tokens in front of texts (`reserve`)", "does not accept virtual tokens"
        ),
        Capability(
            PAST,
            "its layers accept keys and values in front of those of a text",
            "does not accept keys and values in front of a text",
        ),
        Capability(BIASES, "some of its modules outside the head have biases", "has no biases", implied_by=GRADIENTS),
    )
}
"""The capabilities that Graft knows, by name. A plugin can use other names too."""

SUPPORTED, EXPERIMENTAL, UNSUPPORTED = "supported", "experimental", "unsupported"


@dataclass(frozen=True)
class Fit:
    """Whether a method fits a family.

    Attributes:
        status: `supported`, `experimental` or `unsupported`.
        reason: Why it does not fit, or a note; empty if it fits without restrictions.
    """

    status: str
    reason: str = ""


Fits = Mapping[str, Mapping[str, Mapping[str, Fit]]]
"""Fits by method, family and precision."""


def lacking(model: type[ModelLoader], capability: str) -> str:
    """Return what `model` cannot do, as a clause (`bag does not list …`); empty if some of its models can."""
    if capability == GRADIENTS and model.own_fit:
        return f"{model.name} is fitted without gradients"
    known = CAPABILITIES.get(capability, Capability(capability, "", f"does not declare the capability {capability!r}"))
    if {capability, known.implied_by} & model.capabilities or capability in model.partly:
        return ""
    return f"{model.name} {known.lacking}"


def fit(model: type[ModelLoader], method: type[AdapterMethod], precision: str = FP32) -> Fit:
    """Return whether `method` fits the models of `model` in `precision`, and why."""
    if model.task_types and method.task_types and not set(model.task_types) & set(method.task_types):
        types, others = ", ".join(method.task_types), ", ".join(model.task_types)
        return Fit(UNSUPPORTED, f"it supports {types}, and {model.name} supports {others}")
    for capability, reason in method.needs.items():
        if lacks := lacking(model, capability):
            return Fit(UNSUPPORTED, f"{reason}, and {lacks}")
    if refused := method.refuses.get(precision) or model.refuses.get(precision):
        return Fit(UNSUPPORTED, refused)
    for what, note in method.experimental.items():
        if what == precision or (what not in PRECISIONS and not lacking(model, what)):
            return Fit(EXPERIMENTAL, note)
    if precision in NOTES and not model.own_fit:
        return Fit(EXPERIMENTAL, NOTES[precision])
    partly = [(reason, model.partly[each]) for each, reason in method.needs.items() if each in model.partly]
    return Fit(SUPPORTED, "; ".join(f"{reason}; with {model.name}: {which}" for reason, which in partly))


def refuse_precision(model: ModelLoader, method: AdapterMethod, precision: str) -> None:
    """Refuse a precision that `auto` chose for this hardware.

    Raises:
        ConfigError: The method or the family cannot work in this precision.
    """
    from core.errors import ConfigError, Problem

    result = fit(type(model), type(method), precision)
    if result.status == UNSUPPORTED:
        others = [each for each in PRECISIONS if fit(type(model), type(method), each).status == SUPPORTED]
        message = f"{method.name} cannot adapt {model.name} in {precision}: {result.reason}."
        raise ConfigError(Problem("train.precision", message, f"Use train.precision={'|'.join(others)}."))


def fits(models: Mapping[str, type[ModelLoader]], methods: Mapping[str, type[AdapterMethod]]) -> Fits:
    """Return how each method fits each family in each precision."""
    return {
        key: {
            name: {precision: fit(models[name], method, precision) for precision in PRECISIONS}
            for name in sorted(models)
        }
        for key, method in sorted(methods.items())
    }
