"""Which adapter method fits which model family, with the reason; declared on both sides, decided here alone.

A loader declares what its models can do (`ModelLoader.capabilities`), a method what it needs (`AdapterMethod.needs`,
each with the reason); neither knows the other, so a third party's method fits a third party's model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.contracts import AdapterMethod, ModelLoader

GRADIENTS = "gradients"
ADAPTERS = "adapters"
LAYERS = "layers"
FEATURES = "features"
QUANTISED = "quantised"

MEANING = {
    GRADIENTS: "its models are trained by gradients, in the one loop",
    ADAPTERS: "it says which submodules an adapter may wrap (`adapter_targets`)",
    LAYERS: "it names its parameters by depth (`layers`)",
    FEATURES: "its backbone and its head run apart, so that features are computed once",
    QUANTISED: "it can quantise the base weights while it loads them",
}
"""Every capability that a loader may declare, in words."""

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


def fit(model: type[ModelLoader], method: type[AdapterMethod]) -> Fit:
    """Whether `method` fits the models of `model`."""
    offered = model.capabilities
    for capability, reason in method.needs.items():
        if capability == GRADIENTS and model.own_fit:
            return Fit(UNSUPPORTED, f"{reason}, and {model.name} is fitted without gradients")
        if capability not in offered:
            lacking = MEANING.get(capability, f"it declares the capability {capability!r}")
            return Fit(UNSUPPORTED, f"{reason}; of {model.name} it is not known that {lacking}")
    for capability, note in method.experimental.items():
        if capability in offered:
            return Fit(EXPERIMENTAL, note)
    return Fit(SUPPORTED)
