"""Optional protocols of a loaded model; Graft looks for them with `isinstance`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from torch import Tensor, nn

    from core.contracts.model import PreparedDataset


@runtime_checkable
class NeedsWorkers(Protocol):
    """A `PreparedDataset` with an expensive `fetch`, such as decoding files; worker processes then call it."""

    needs_workers: bool


@runtime_checkable
class SupportsFeatures(Protocol):
    """A `LoadedModel` whose backbone and head can run separately, so that `method=head` computes features once."""

    def features(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the features of a batch from the frozen backbone: [b, ...]."""
        ...

    def head(self, features: Tensor) -> Tensor:
        """Return the logits for features, float32 [b, c]; the same logits as the module's."""
        ...

    def head_loss(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each example from logits, float32 [b]; `batch` need only contain targets."""
        ...

    def head_predict(self, logits: Tensor) -> Tensor:
        """Return predictions from logits, as `predict` does."""
        ...


@runtime_checkable
class SupportsFastDropout(Protocol):
    """A `LoadedModel` that can draw its dropout masks on a CPU several times faster than torch.

    `train.fast_dropout` asks for it. The distribution of the masks stays the same.
    """

    def use_fast_dropout(self) -> None:
        """Replace the random generation of every dropout layer in `module`.

        Called on a CPU before the method is applied, and again afterwards for dropout that the method inserted.
        """
        ...


@runtime_checkable
class SupportsPreview(Protocol):
    """A `LoadedModel` that can draw training examples as it sees them, for `samples.png`."""

    def preview(self, examples: Sequence[Any], prepared: PreparedDataset, seed: int) -> Image:
        """Return a page with a few training examples, unchanged and as the first epochs show them."""
        ...


@runtime_checkable
class SupportsVirtualTokens(Protocol):
    """A `LoadedModel` that accepts virtual tokens in front of its texts."""

    def reserve(self, places: int) -> None:
        """Shorten the longest texts so that this many virtual tokens fit in front; report it in `findings`.

        Raises:
            ConfigError: No room is left for texts.
        """
        ...


@runtime_checkable
class SupportsDequantizedLoad(Protocol):
    """A `LoadedModel` with quantized weights that can load them again without quantization."""

    def dequantized(self) -> nn.Module:
        """Return the base network on the CPU in its stored dtype; submodules have the same names."""
        ...


@runtime_checkable
class SupportsFit(Protocol):
    """A `LoadedModel` that is fitted without gradients, such as a scikit-learn model."""

    def fit(self, examples: Sequence[Any], weights: NDArray[np.float32] | None, seed: int) -> None:
        """Fit to training examples, each with a weight, or without weights. `module` is an empty `nn.Module`."""
        ...
