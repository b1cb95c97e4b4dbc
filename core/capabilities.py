"""Which adapter method fits which model family, with the reason; declared on both sides, decided here alone.

A loader declares what its models can do (`ModelLoader.capabilities`), a method what it needs (`AdapterMethod.needs`,
each with the reason); neither knows the other, so a third party's method fits a third party's model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.contracts import AdapterMethod, ModelLoader

GRADIENTS = "gradients"
ADAPTERS = "adapters"
LAYERS = "layers"
FEATURES = "features"
QUANTISED = "quantised"
CHECKPOINTING = "checkpointing"

MEANING = {
    GRADIENTS: "its models are trained by gradients, in the one loop",
    ADAPTERS: "it says which submodules an adapter may wrap (`adapter_targets`)",
    LAYERS: "it says which parameters are at which depth (`layers`)",
    FEATURES: "its backbone and its head run apart, so that features are computed once",
    QUANTISED: "it can quantise the base weights while it loads them",
    CHECKPOINTING: "it can compute activations again rather than keep them (`train.gradient_checkpointing`)",
}
"""Every capability that a loader may declare, in words."""

_LACKING = {
    GRADIENTS: "is not trained by gradients",
    ADAPTERS: "does not say which submodules an adapter may wrap (`adapter_targets`)",
    LAYERS: "does not say which parameters are at which depth (`layers`)",
    FEATURES: "cannot run its backbone and its head apart",
    QUANTISED: "cannot quantise its weights while it loads them",
    CHECKPOINTING: "cannot compute activations again rather than keep them",
}

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


def lacking(model: type[ModelLoader], capability: str) -> str:
    """What `model` cannot do, as a clause (`bag does not say …`); empty where it has the capability."""
    if capability == GRADIENTS and model.own_fit:
        return f"{model.name} is fitted without gradients"
    if capability in model.capabilities:
        return ""
    return f"{model.name} {_LACKING.get(capability, f'does not declare the capability {capability!r}')}"


def fit(model: type[ModelLoader], method: type[AdapterMethod]) -> Fit:
    """Whether `method` fits the models of `model`."""
    if model.kinds and method.kinds and not set(model.kinds) & set(method.kinds):
        serves, others = ", ".join(method.kinds), ", ".join(model.kinds)
        return Fit(UNSUPPORTED, f"it serves {serves}, and {model.name} serves {others}")
    for capability, reason in method.needs.items():
        if lacks := lacking(model, capability):
            return Fit(UNSUPPORTED, f"{reason}, and {lacks}")
    for capability, note in method.experimental.items():
        if not lacking(model, capability):
            return Fit(EXPERIMENTAL, note)
    return Fit(SUPPORTED)


def fits(
    models: Mapping[str, type[ModelLoader]], methods: Mapping[str, type[AdapterMethod]]
) -> dict[str, dict[str, Fit]]:
    """How each method (outer key) fits each family (inner key)."""
    return {
        key: {name: fit(models[name], method) for name in sorted(models)} for key, method in sorted(methods.items())
    }


def table(found: Mapping[str, Mapping[str, Fit]]) -> list[str]:
    """The lines of a table, one row a family, one column a method; with numbered notes below.

    Args:
        found: What `fits` gives.
    """
    notes: list[str] = []
    methods = list(found)
    rows = [["", *methods]]
    for model in next(iter(found.values()), {}):
        rows.append([model, *(_cell(method, found[method][model], notes) for method in methods)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, *(f"({number}) {note}" for number, note in enumerate(notes, start=1))]


def _cell(method: str, fit: Fit, notes: list[str]) -> str:
    """`yes`, or `exp` or `no` with the number of the note that says why; notes are collected."""
    word = {SUPPORTED: "yes", EXPERIMENTAL: "exp", UNSUPPORTED: "no"}[fit.status]
    if not fit.reason:
        return word
    note = f"{method}: {fit.reason}."
    if note not in notes:
        notes.append(note)
    return f"{word} ({notes.index(note) + 1})"


def described(found: Mapping[str, Fit]) -> Sequence[str]:
    """The same of one method, a line a family."""
    words = {SUPPORTED: "yes", EXPERIMENTAL: "experimental", UNSUPPORTED: "no"}
    return [f"{name}: {words[each.status]}{f'; {each.reason}' if each.reason else ''}" for name, each in found.items()]
