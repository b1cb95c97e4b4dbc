"""A loaded model that wraps another one and delegates to it, including its optional capabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from core.contracts.model import LoadedModel, PreparedDataset, Provenance
from core.contracts.protocols import (
    SupportsDequantizedLoad,
    SupportsFastDropout,
    SupportsFeatures,
    SupportsFit,
    SupportsPreview,
    SupportsVirtualTokens,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from core.contracts.model import TrainingPlan
    from core.issues import DataIssue

CAPABILITIES: tuple[type, ...] = (
    SupportsFeatures,
    SupportsFit,
    SupportsPreview,
    SupportsVirtualTokens,
    SupportsDequantizedLoad,
    SupportsFastDropout,
)
"""The optional protocols of a `LoadedModel`; a `WrappedModel` delegates their methods."""


def _delegated(name: str) -> Any:
    """Return a property that reads and writes an attribute of the wrapped model."""

    def read(self: WrappedModel) -> Any:
        return getattr(self.inner, name)

    def write(self: WrappedModel, value: Any) -> None:
        setattr(self.inner, name, value)

    return property(read, write, doc=f"`{name}` of the wrapped model.")


class WrappedModel(LoadedModel):
    """A model that wraps another one and delegates everything to it, including its optional capabilities.

    Only `unwrapped()` is not delegated: it returns the wrapper. A wrapper is usually part of the model that is saved,
    so the self-test after saving must compare its predictions. A wrapper that only serves training overrides it.

    A method returns a subclass that overrides what differs. Example:

        class Penalized(WrappedModel):
            def loss(self, batch):
                return self.inner.loss(batch) + penalty(self.module)

    Attributes:
        inner: The wrapped model.
    """

    withdrawn: ClassVar[tuple[type, ...]] = ()
    """Protocols of the wrapped model that the wrapper does not support."""

    module: nn.Module = _delegated("module")
    heads: tuple[str, ...] = _delegated("heads")
    adapter_targets: tuple[str, ...] = _delegated("adapter_targets")
    layers: tuple[tuple[str, ...], ...] = _delegated("layers")
    provenance: Provenance = _delegated("provenance")
    defaults: Mapping[str, float] = _delegated("defaults")
    findings: list[DataIssue] = _delegated("findings")
    augmented: bool = _delegated("augmented")
    base_weights: Mapping[str, float] = _delegated("base_weights")
    thresholds: tuple[float, ...] | None = _delegated("thresholds")

    def __init__(self, inner: LoadedModel) -> None:
        self.inner = inner
        for capability in CAPABILITIES:
            if capability in self.withdrawn or not isinstance(inner, capability):
                continue
            for name in vars(capability):
                # Set on the instance: the wrapper has the capability only if the inner model has it.
                if not name.startswith("_") and not hasattr(type(self), name):
                    setattr(self, name, getattr(inner, name))

    def on_train_start(self, plan: TrainingPlan) -> None:
        """See `LoadedModel.on_train_start`."""
        self.inner.on_train_start(plan)

    def enable_gradient_checkpointing(self) -> None:
        """See `LoadedModel.enable_gradient_checkpointing`."""
        self.inner.enable_gradient_checkpointing()

    def parameter_elements(self, parameter: Tensor) -> int:
        """See `LoadedModel.parameter_elements`."""
        return self.inner.parameter_elements(parameter)

    def parameter_bytes(self, parameter: Tensor) -> int:
        """See `LoadedModel.parameter_bytes`."""
        return self.inner.parameter_bytes(parameter)

    def coarsest_precision(self) -> str:
        """See `LoadedModel.coarsest_precision`."""
        return self.inner.coarsest_precision()

    def share_parameter(self, parameter: Tensor, data: Tensor) -> None:
        """See `LoadedModel.share_parameter`."""
        self.inner.share_parameter(parameter, data)

    def prepare(self, examples: Sequence[Any], train: bool) -> PreparedDataset:
        """See `LoadedModel.prepare`."""
        return self.inner.prepare(examples, train)

    def collate(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """See `LoadedModel.collate`."""
        return self.inner.collate(items)

    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """See `LoadedModel.loss`."""
        return self.inner.loss(batch)

    def predict(self, batch: dict[str, Tensor]) -> Tensor | Sequence[Any]:
        """See `LoadedModel.predict`."""
        return self.inner.predict(batch)

    def save(self, directory: Path) -> None:
        """See `LoadedModel.save`."""
        self.inner.save(directory)
