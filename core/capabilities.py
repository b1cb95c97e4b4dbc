"""Which adapter method fits which model family in which precision, and why; declared on both sides, decided here alone.

A loader declares what its models can do (`ModelLoader.capabilities`), a method what it needs (`AdapterMethod.needs`,
each with the reason), and both the precisions in which they cannot work (`refuses`); neither knows the other, so a
third party's method fits a third party's model.
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
LINEAR = "linear"
VIRTUAL = "virtual_tokens"
PAST = "past"
BIASES = "biases"

FP32, BF16, FP16 = "fp32", "bf16", "fp16"
PRECISIONS = (FP32, BF16, FP16)
_NOTES = {FP16: "gradients are scaled, on a GPU only; no cell is tested in it"}
"""What to know of a precision, whatever the family and the method."""

MEANING = {
    GRADIENTS: "its models are trained by gradients, in the one loop",
    ADAPTERS: "it says which submodules an adapter may wrap (`adapter_targets`)",
    LAYERS: "it says which parameters are at which depth (`layers`)",
    FEATURES: "its backbone and its head run apart, so that features are computed once",
    QUANTISED: "it can quantise the base weights while it loads them",
    CHECKPOINTING: "it can compute activations again rather than keep them (`train.gradient_checkpointing`)",
    LINEAR: "some of the submodules that an adapter may wrap are linear layers",
    VIRTUAL: "virtual tokens can stand before its texts (`reserve`)",
    PAST: "its layers take keys and values that stand before a text's own",
    BIASES: "some of its modules outside the head have biases",
}
"""Every capability that a loader may declare, in words."""

_LACKING = {
    GRADIENTS: "is not trained by gradients",
    ADAPTERS: "does not say which submodules an adapter may wrap (`adapter_targets`)",
    LAYERS: "does not say which parameters are at which depth (`layers`)",
    FEATURES: "cannot run its backbone and its head apart",
    QUANTISED: "cannot quantise its weights while it loads them",
    CHECKPOINTING: "cannot compute activations again rather than keep them",
    LINEAR: "offers convolutions only",
    VIRTUAL: "reads no virtual tokens",
    PAST: "takes no keys and values from before a text",
    BIASES: "has no biases",
}
_IMPLIED = {BIASES: GRADIENTS}
"""What goes without saying of a family that declares another capability; where some models lack it, `partly` tells."""

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
    if {capability, _IMPLIED.get(capability)} & model.capabilities or capability in model.partly:
        return ""
    return f"{model.name} {_LACKING.get(capability, f'does not declare the capability {capability!r}')}"


def fit(model: type[ModelLoader], method: type[AdapterMethod], precision: str = FP32) -> Fit:
    """Whether `method` fits the models of `model`, computing in `precision`."""
    if model.kinds and method.kinds and not set(model.kinds) & set(method.kinds):
        serves, others = ", ".join(method.kinds), ", ".join(model.kinds)
        return Fit(UNSUPPORTED, f"it serves {serves}, and {model.name} serves {others}")
    for capability, reason in method.needs.items():
        if lacks := lacking(model, capability):
            return Fit(UNSUPPORTED, f"{reason}, and {lacks}")
    if refused := method.refuses.get(precision) or model.refuses.get(precision):
        return Fit(UNSUPPORTED, refused)
    for what, note in method.experimental.items():
        if what == precision or (what not in PRECISIONS and not lacking(model, what)):
            return Fit(EXPERIMENTAL, note)
    if precision in _NOTES and not model.own_fit:
        return Fit(EXPERIMENTAL, _NOTES[precision])
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


def table(found: Fits) -> list[str]:
    """The lines of a table: a row a method, a column a family, in it a word for each precision; numbered notes below.

    Args:
        found: What `fits` gives.
    """
    notes: list[str] = []
    families = list(next(iter(found.values()), {}))
    rows = [["", *families], ["", *[" ".join(each.ljust(_WIDTH) for each in PRECISIONS) for _ in families]]]
    for method, cells in found.items():
        rows.append(
            [method, *(" ".join(_word(method, each, notes) for each in cells[name].values()) for name in cells)]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, *(f"({number}) {note}" for number, note in enumerate(notes, start=1))]


_WIDTH = 7
"""Of a word and the number of its note."""


def _word(method: str, fit: Fit, notes: list[str]) -> str:
    """`yes`, `exp` or `no`, with the number of the note that says why or what to know; notes are collected."""
    word = {SUPPORTED: "yes", EXPERIMENTAL: "exp", UNSUPPORTED: "no"}[fit.status]
    if fit.reason:
        note = f"{fit.reason}." if fit.reason in _NOTES.values() else f"{method}: {fit.reason}."
        if note not in notes:
            notes.append(note)
        word += f"({notes.index(note) + 1})"
    return word.ljust(_WIDTH)


def described(found: Mapping[str, Mapping[str, Fit]]) -> Sequence[str]:
    """The same of one method, a line for each family and each group of precisions that are alike in it."""
    words = {SUPPORTED: "yes", EXPERIMENTAL: "experimental", UNSUPPORTED: "no"}
    lines = []
    for name, cells in found.items():
        alike: dict[Fit, list[str]] = {}
        for precision, each in cells.items():
            alike.setdefault(each, []).append(precision)
        for each, precisions in alike.items():
            where = name if len(alike) == 1 else f"{name} in {', '.join(precisions)}"
            lines.append(f"{where}: {words[each.status]}{f'; {each.reason}' if each.reason else ''}")
    return lines
