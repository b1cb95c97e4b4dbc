"""The sockets: what a data adapter, a model loader, an adapter method and a metric must do."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from core.component import Component
from core.errors import Problem
from core.issues import Finding
from core.models import (
    HasFeatures,
    HasOwnFit,
    HasPicture,
    HasVirtualTokens,
    HasWholeWeights,
    IsCostly,
    LoadedModel,
    Need,
    Prepared,
    Provenance,
    SupportsFastDropout,
    WeightsPlan,
    epochs_for,
)
from core.task import Splits, Task
from core.wrapped import WrappedModel

if TYPE_CHECKING:
    import numpy as np
    import torch
    import torchmetrics
    from numpy.typing import NDArray

    from core.config import RunConfig
    from core.kinds.output import OutputSpec
    from core.kinds.targets.target import Predictions, Targets
    from core.memory import Footprint

__all__ = [
    "AdapterMethod",
    "DataAdapter",
    "Finding",
    "HasFeatures",
    "HasOwnFit",
    "HasPicture",
    "HasVirtualTokens",
    "HasWholeWeights",
    "IsCostly",
    "LoadedModel",
    "Metric",
    "ModelLoader",
    "Need",
    "Optimizer",
    "ParamGroup",
    "Plan",
    "Prepared",
    "Provenance",
    "Splits",
    "SupportsFastDropout",
    "Task",
    "WeightsPlan",
    "WrappedModel",
    "epochs_for",
]


@dataclass
class Configurable(Component):
    """A component with options, which a run's configuration names."""

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Return what is wrong with this component in this run; called before any heavy import or download."""
        return ()


@dataclass
class DataAdapter(Configurable):
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
            f"data={self.name} reads no unlabelled examples from a file; give them as arguments or on standard input."
        )


@dataclass
class ModelLoader(Configurable):
    """Turns a preset into a `LoadedModel` for the task and its labels."""

    own_fit: ClassVar[bool] = False
    """Whether its models are fitted without gradients: then options of `train` and other methods are refused."""
    capabilities: ClassVar[frozenset[str]] = frozenset({"gradients"})
    """What its models can do, by the names in `core.capabilities`; methods are refused that need more."""
    partly: ClassVar[Mapping[str, str]] = {}
    """Capabilities that some of its models have and others lack, each with which; those are refused when loaded."""
    refuses: ClassVar[Mapping[str, str]] = {}
    """Precisions in which its models cannot be trained, each with the reason."""
    targets: ClassVar[tuple[str, ...]] = ()
    """The target types that its models serve; empty for every one whose models end in logits."""

    @property
    def from_scratch(self) -> bool:
        """Whether this configuration asks for random weights, even where pretrained ones could be had.

        Methods that keep most weights as they are refuse such a model. Override it in a family that has the choice.
        """
        return False

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

    def footprint(self, config: RunConfig, outputs: int) -> Footprint | None:
        """Sizes of the network, for an estimate of memory before anything is fetched; None where they are not known."""
        return None

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
class AdapterMethod(Configurable):
    """How weights are adapted. The head always trains and is always saved."""

    defaults: ClassVar[Mapping[str, float]] = {}
    """Values for options of `train` that are null in the configuration; they come before the model's own."""
    needs: ClassVar[Mapping[str, str]] = {"gradients": "weights are adapted by gradients"}
    """What it asks of a model, by the names in `core.capabilities`, each with the reason."""
    experimental: ClassVar[Mapping[str, str]] = {}
    """Capabilities of a model, or precisions, with which it is experimental, each with a note."""
    refuses: ClassVar[Mapping[str, str]] = {}
    """Precisions in which it cannot work, each with the reason."""
    frozen: ClassVar[bool] = False
    """Whether it leaves the backbone as it is, so that features may be computed once."""
    unmergeable: ClassVar[str] = ""
    """Why what it trains cannot be merged into the weights, as a clause; empty where it can, or where it is weights."""

    def weights(self) -> WeightsPlan | None:
        """What the loader must do to the base weights while loading, or None."""
        return None

    def additive(self) -> bool:
        """Whether base weights stay what they are, under what it adds to them: then they may lie in half precision."""
        return False

    @abstractmethod
    def apply(self, model: LoadedModel, plan: Plan) -> LoadedModel:
        """Freeze, insert, wrap or replace; returns the same model changed in place, or another one."""

    def reopen(self, loader: ModelLoader, need: Need) -> LoadedModel:
        """Open what was saved to `need.saved` after this method had been applied."""
        return loader.reopen(need)

    def trainable(self, footprint: Footprint) -> int | None:
        """How many numbers train in a network of this size, for an estimate of memory; None where it does not say."""
        return None

    def merge(self, model: LoadedModel) -> LoadedModel:
        """What `reopen` gave, as a model of its family alone that saves whole weights; `model` is used up."""
        return model.plain()

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
class Optimizer(Configurable):
    """Builds the optimizer that `train.optimizer` names.

    It has no options of its own: learning rate, betas and weight decay are options of `train`.
    """

    state_bytes: ClassVar[float] = 8.0
    """Bytes of state for each trainable number, for estimates of memory; the two float32 moments of Adam take 8."""

    @abstractmethod
    def build(self, groups: list[dict[str, Any]], lr: float, betas: tuple[float, float]) -> torch.optim.Optimizer:
        """Return the optimizer.

        Args:
            groups: Parameter groups as torch's optimizers take them, each with `params`, `lr` and `weight_decay`.
            lr: Peak learning rate.
            betas: Decay of the first and of the second moment.
        """


@dataclass
class Metric(Configurable):
    """A component that builds a streaming torchmetrics metric.

    `compute` of what it builds gives a 0-d tensor (a score), or a table: [c] a value for each label, or [c, c].
    """

    higher_is_better: ClassVar[bool] = True
    targets: ClassVar[tuple[str, ...]] = ("single",)
    """The target types it accepts, by name; also those that are `like` one of them."""
    decides: ClassVar[bool] = False
    """Whether it looks at decisions alone, not at probabilities or scores. Once thresholds have been chosen, it is
    given what `TargetType.decide` returns: of several labels, 1.0 where a probability reaches the label's threshold and
    0.0 elsewhere; of objects in images, the detections whose score reaches the threshold."""

    @abstractmethod
    def build(self, output: OutputSpec) -> torchmetrics.Metric:
        """Return a fresh metric, to be updated with (predictions, targets) of a batch, shaped as `core.kinds` says.

        Both are tensors; where the target type's arrays hold objects, both are lists with one object per example.
        """

    def resample(
        self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64], output: OutputSpec
    ) -> NDArray[np.float64]:
        """Return the score of each bootstrap resample, float64 [r].

        The default repeats rows and computes each resample anew. Override it where arithmetic on `counts` is enough.

        Args:
            predictions: [n, ...], as `core.kinds` says.
            targets: [n, ...], likewise.
            counts: int64 [r, n]: how often each example was drawn in each resample.
            output: What is predicted: task, label names, target type.
        """
        import numpy as np

        scores = np.empty(len(counts), dtype=np.float64)
        for row, count in enumerate(counts):
            metric = self.build(output)
            metric.distributed_available_fn = lambda: False  # this process has all predictions
            drawn = np.repeat(np.arange(len(count)), count)
            metric.update(*(output.target.metric_input(values[drawn]) for values in (predictions, targets)))
            scores[row] = float(metric.compute())
        return scores
