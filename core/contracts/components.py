"""The classes of components that a plugin can implement, and the configuration of a run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from core.component import Component
from core.contracts.model import LoadedModel, LoadRequest, QuantizationConfig
from core.contracts.splits import Splits
from core.contracts.train_config import MISSING, ResolvedTrain, TrainConfig
from core.errors import DataError, Problem
from core.tasks.task import Task

if TYPE_CHECKING:
    import numpy as np
    import torch
    import torchmetrics
    from numpy.typing import NDArray

    from core.contracts.footprint import Footprint
    from core.contracts.model import ParamGroup, TrainingPlan
    from core.tasks.output import OutputSpec
    from core.tasks.targets.target import Predictions, Targets

EXTENSION_POINTS = ("data", "model", "method")
"""The fields of `RunConfig` that hold one component each."""


@dataclass
class Configurable(Component):
    """A component that can refuse a configuration."""

    variant_of: ClassVar[str] = ""
    """The name of another component, of which this one is a variant for other task types; empty if it is none.

    Both belong to the same extension point: `data`, `model`, `method` or `metric`. If a configuration chooses the other
    component, by its name or by a preset, and only the variant supports the task's type, Graft uses the variant. So
    presets work with both if they set options that both have, with the same types. The variant can have others, and
    can lack those that make no sense for its task types; they are then refused like unknown options."""

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Return the problems of this component in this configuration; called before any heavy import or download."""
        return ()


@dataclass
class DataAdapter(Configurable):
    """Reads labeled examples and returns splits."""

    @abstractmethod
    def load(self, task: Task, seed: int) -> Splits:
        """Read, check and split the data.

        Args:
            task: The task, with label names if the user gave them.
            seed: Determines the splits if the source has none.

        Raises:
            DataError: The source is missing, empty or malformed; the message names the file and the row.
        """

    def unlabelled(self, task: Task, path: Path) -> Sequence[Any]:
        """Read examples without targets from a file, in the same format, for `predict`.

        Raises:
            DataError: The file is missing or malformed, or this adapter cannot read unlabeled examples.
        """
        raise DataError(
            f"data={self.name} cannot read unlabeled examples from a file; give them as arguments or on standard input."
        )


@dataclass
class ModelLoader(Configurable):
    """Loads a base model and puts a head for the task on it."""

    own_fit: ClassVar[bool] = False
    """Whether its models train without gradients; Graft then refuses most options of `train` and other methods."""
    capabilities: ClassVar[frozenset[str]] = frozenset({"gradients"})
    """What all its models can do, by their names in `core.capabilities`. Methods that need more are refused."""
    partly: ClassVar[Mapping[str, str]] = {}
    """Capabilities that only some of its models have, each with a note. Models without them are refused on loading."""
    refuses: ClassVar[Mapping[str, str]] = {}
    """Precisions in which its models cannot be trained, each with the reason."""
    targets: ClassVar[tuple[str, ...]] = ()
    """Names of the target types that its models support; empty for every target type with logits."""

    @property
    def from_scratch(self) -> bool:
        """Whether this configuration asks for random weights.

        Methods that freeze most weights refuse such a model. Override it if your models have a choice.
        """
        return False

    @abstractmethod
    def load(self, request: LoadRequest) -> LoadedModel:
        """Load the base weights, or the model in `request.saved`, and put a head for the task on them.

        Raises:
            WeightsError: The weights are not available; the message says what was tried and how to fix it.
        """

    def reopen(self, request: LoadRequest) -> LoadedModel:
        """Load what `LoadedModel.save` wrote to `request.saved`."""
        assert request.saved is not None
        return self.load(request)

    def footprint(self, config: RunConfig, outputs: int) -> Footprint | None:
        """Return the sizes of the network, to estimate memory before any download; None if they are unknown."""
        return None

    def baselines(self, request: LoadRequest, examples: Sequence[Any]) -> dict[str, Predictions]:
        """Return the predictions of simple baselines for `examples`, by name; they are fitted to `request.train`."""
        return {}


@dataclass
class AdapterMethod(Configurable):
    """Decides which weights train, and how. The head always trains and is always saved."""

    defaults: ClassVar[Mapping[str, float]] = {}
    """Values for options of `train` that are null in the configuration; they take precedence over the model's."""
    needs: ClassVar[Mapping[str, str]] = {"gradients": "weights are adapted by gradients"}
    """Capabilities that it needs, by their names in `core.capabilities`, each with the reason."""
    experimental: ClassVar[Mapping[str, str]] = {}
    """Capabilities or precisions with which the method is experimental, each with a note."""
    refuses: ClassVar[Mapping[str, str]] = {}
    """Precisions in which it cannot work, each with the reason."""
    frozen: ClassVar[bool] = False
    """Whether it leaves the backbone unchanged, so that features can be cached."""
    unmergeable: ClassVar[str] = ""
    """Why its updates cannot be merged into the weights, as a clause; empty if they can be."""

    def weights(self) -> QuantizationConfig | None:
        """Return how the loader must quantize the base weights, or None."""
        return None

    def additive(self) -> bool:
        """Whether it only adds to the base weights; a loader may then keep them in half precision."""
        return False

    @abstractmethod
    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Freeze, insert, wrap or replace modules; return the same model changed in place, or another one."""

    def reopen(self, loader: ModelLoader, request: LoadRequest) -> LoadedModel:
        """Load the model in `request.saved`, which was saved after this method was applied."""
        return loader.reopen(request)

    def trainable(self, footprint: Footprint) -> int | None:
        """Return the number of trainable parameters in a network of this size, to estimate memory; None if unknown."""
        return None

    def merge(self, model: LoadedModel) -> LoadedModel:
        """Merge the updates into the weights of a reopened model; return a model that saves full weights.

        Do not use `model` afterwards.
        """
        return model.unwrapped()

    def param_groups(self, model: LoadedModel, lr: float) -> list[ParamGroup] | None:
        """Return groups of trainable parameters with their own learning rates, or None for one group at `lr`."""
        return None

    def after_step(self, model: LoadedModel, step: int) -> None:
        """Run after each optimizer step, before the gradients are cleared."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the method for checkpoints, as tensors and JSON values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""


@dataclass
class Optimizer(Configurable):
    """Builds the optimizer that `train.optimizer` names.

    It has no options; learning rate, betas and weight decay are options of `train`.
    """

    state_bytes: ClassVar[float] = 8.0
    """Bytes of state per trainable parameter, to estimate memory; the two float32 moments of Adam take 8."""

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
    """Builds a streaming torchmetrics metric.

    Its `compute` returns a 0-d tensor (a score) or a table: [c] with one value per label, or [c, c].
    """

    higher_is_better: ClassVar[bool] = True
    targets: ClassVar[tuple[str, ...]] = ()
    """Names of the target types that it accepts, at least one; target types that are `like` one of them count too."""
    decides: ClassVar[bool] = False
    """Whether it depends on decisions only, not on probabilities or scores. If thresholds were chosen, it receives
    what `TargetType.decide` returns. For several labels, that is 1.0 where a probability reaches the label's threshold,
    else 0.0. For objects in images, it is the detections whose score reaches the threshold."""

    @abstractmethod
    def build(self, output: OutputSpec) -> torchmetrics.Metric:
        """Return a new metric. It is updated with (predictions, targets) of a batch, in the shapes of `core.tasks`.

        Both are tensors, or lists with one object per example if the arrays of the target type hold objects.
        """

    def resample(
        self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64], output: OutputSpec
    ) -> NDArray[np.float64]:
        """Return the score of each bootstrap resample, float64 [r].

        The default repeats rows and computes the metric for each resample. Override it if arithmetic on `counts` is
        enough.

        Args:
            predictions: [n, ...], as described in `core.tasks`.
            targets: [n, ...], as described in `core.tasks`.
            counts: How often each example was drawn in each resample, int64 [r, n]. If resamples draw groups of
                examples, the rows have different sums.
            output: The task, its label names and its target type.
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


@dataclass
class RunConfig:
    """The configuration of a run. `core.run(RunConfig(...))` trains it."""

    task: Task = field(default_factory=Task)
    data: DataAdapter = MISSING
    model: ModelLoader = MISSING
    method: AdapterMethod = MISSING
    metrics: dict[str, Metric] = field(default_factory=dict)
    train: TrainConfig = field(default_factory=TrainConfig)
    seed: int = 0


@dataclass
class ResolvedConfig(RunConfig):
    """A configuration after the model was loaded: `train` has no nulls."""

    train: ResolvedTrain = field(default_factory=ResolvedTrain)
