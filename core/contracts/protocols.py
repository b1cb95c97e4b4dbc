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
    """A `LoadedModel` whose backbone and head can run separately, so that `method=head` computes features once.

    The features of an example are one array, or one row for each of its parts (such as its words). Graft passes the
    rows of all examples of a batch to the head as one tensor, in their order. `batch` then contains `lengths`, int64
    [b], the number of rows of each example; `targets` has one entry per row, as in the batches of `collate`.
    """

    def features(self, batch: dict[str, Tensor]) -> Tensor | Sequence[Tensor]:
        """Return the features of a batch from the frozen backbone: [b, ...], or b tensors [k, ...] of any length k."""
        ...

    def head(self, features: Tensor) -> Tensor:
        """Return the logits for features, float32 [b, c], or for rows of features; the same logits as the module's."""
        ...

    def head_loss(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each example from logits, float32 [b]; `batch` need only contain targets (and lengths)."""
        ...

    def head_predict(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor | Sequence[Any]:
        """Return predictions from logits, as `predict` does; `batch` need only contain `lengths`, if there are any."""
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
