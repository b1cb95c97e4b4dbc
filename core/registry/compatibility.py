"""Which adapter method fits which model family in which precision, and why; declared on both sides, decided here alone.

A loader declares what its models can do (`ModelLoader.capabilities`), a method what it needs (`AdapterMethod.needs`,
each with the reason), and both the precisions in which they cannot work (`refuses`); neither knows the other, so a
third party's method fits a third party's model.
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


NOTES = {FP16: "gradients are scaled, on a GPU only; no cell is tested in it"}
"""What to know of a precision, whatever the family and the method."""


@dataclass(frozen=True)
class Capability:
    """Something that the models of a loader can do.

    Attributes:
        name: As loaders and methods spell it.
        meaning: What a loader promises by declaring it.
        lacking: The end of the sentence about a loader that does not declare it.
        implied_by: The capability that also stands for it; `ModelLoader.partly` tells where some models lack it.
    """

    name: str
    meaning: str
    lacking: str
    implied_by: str = ""


CAPABILITIES: Mapping[str, Capability] = {
    each.name: each
    for each in (
        Capability(GRADIENTS, "its models are trained by gradients, in the one loop", "is not trained by gradients"),
        Capability(
            ADAPTERS,
            "it says which submodules an adapter may wrap (`adapter_targets`)",
            "does not say which submodules an adapter may wrap (`adapter_targets`)",
        ),
        Capability(
            LAYERS,
            "it says which parameters are at which depth (`layers`)",
            "does not say which parameters are at which depth (`layers`)",
        ),
        Capability(
            FEATURES,
            "its backbone and its head run apart, so that features are computed once",
            "cannot run its backbone and its head apart",
        ),
        Capability(
            QUANTIZED,
            "it can quantise the base weights while it loads them",
            "cannot quantise its weights while it loads them",
        ),
        Capability(
            CHECKPOINTING,
            "it can recompute activations in the backward pass (`train.gradient_checkpointing`)",
            "cannot recompute activations in the backward pass",
        ),
        Capability(
            LINEAR, "some of the submodules that an adapter may wrap are linear layers", "offers convolutions only"
        ),
        Capability(VIRTUAL, "virtual tokens can stand before its texts (`reserve`)", "reads no virtual tokens"),
        Capability(
            PAST,
            "its layers take keys and values that stand before a text's own",
            "takes no keys and values from before a text",
        ),
        Capability(BIASES, "some of its modules outside the head have biases", "has no biases", implied_by=GRADIENTS),
    )
}
"""Every capability that a loader may declare. A plugin may use names of its own as well."""

SUPPORTED, EXPERIMENTAL, UNSUPPORTED = "supported", "experimental", "unsupported"


@dataclass(frozen=True)
class Fit:
    """Whether a method fits a family.

    Attributes:
        status: `supported`, `experimental` or `unsupported`.
        reason: Why not, or what to know; empty where it is simply supported.
    """

    status: str
    reason: str = ""


Fits = Mapping[str, Mapping[str, Mapping[str, Fit]]]
"""By method, family and precision."""


def lacking(model: type[ModelLoader], capability: str) -> str:
    """What `model` cannot do, as a clause (`bag does not say …`); empty where some of its models can."""
    if capability == GRADIENTS and model.own_fit:
        return f"{model.name} is fitted without gradients"
    known = CAPABILITIES.get(capability, Capability(capability, "", f"does not declare the capability {capability!r}"))
    if {capability, known.implied_by} & model.capabilities or capability in model.partly:
        return ""
    return f"{model.name} {known.lacking}"


def fit(model: type[ModelLoader], method: type[AdapterMethod], precision: str = FP32) -> Fit:
    """Whether `method` fits the models of `model`, computing in `precision`."""
    if model.task_types and method.task_types and not set(model.task_types) & set(method.task_types):
        serves, others = ", ".join(method.task_types), ", ".join(model.task_types)
        return Fit(UNSUPPORTED, f"it serves {serves}, and {model.name} serves {others}")
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
    some = [(reason, model.partly[each]) for each, reason in method.needs.items() if each in model.partly]
    limits = [f"{reason}; of {model.name}: {which}" for reason, which in some]
    return Fit(SUPPORTED, "; ".join(limits))


def refuse_precision(model: ModelLoader, method: AdapterMethod, precision: str) -> None:
    """Refuse a precision that was chosen by itself, on hardware that is known only when a run begins.

    Raises:
        ConfigError: The method or the family cannot work in it.
    """
    from core.errors import ConfigError, Problem

    found = fit(type(model), type(method), precision)
    if found.status == UNSUPPORTED:
        others = [each for each in PRECISIONS if fit(type(model), type(method), each).status == SUPPORTED]
        message = f"{method.name} cannot adapt {model.name} in {precision}: {found.reason}."
        raise ConfigError(Problem("train.precision", message, f"Use train.precision={'|'.join(others)}."))


def fits(models: Mapping[str, type[ModelLoader]], methods: Mapping[str, type[AdapterMethod]]) -> Fits:
    """How each method fits each family in each precision."""
    return {
        key: {
            name: {precision: fit(models[name], method, precision) for precision in PRECISIONS}
            for name in sorted(models)
        }
        for key, method in sorted(methods.items())
    }
