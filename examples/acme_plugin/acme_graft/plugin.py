"""The components and hooks of this plugin. It imports the standard library and `core` only, so it is light."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core import (
    AdapterMethod,
    DataAdapter,
    LoadedModel,
    LoadRequest,
    Metric,
    ModelLoader,
    ParamGroup,
    Problem,
    RunConfig,
    SplitOptions,
    Splits,
    Task,
    TrainingPlan,
    capabilities,
    hookimpl,
    option,
)

if TYPE_CHECKING:
    import numpy as np
    import torchmetrics
    from numpy.typing import NDArray

    from core import OutputSpec
    from core.tasks import Predictions, Targets

TEXTS = ("text-classification",)


@dataclass
class Tickets(SplitOptions, DataAdapter):
    """Read tickets from a TOML file, each with a text and its urgency."""

    name: ClassVar[str] = "tickets"
    task_types: ClassVar[tuple[str, ...]] = TEXTS

    path: str = option("", "A file of [[ticket]] tables; empty reads the 72 tickets of this package.", path=True)

    def load(self, task: Task, seed: int) -> Splits:
        """Read the tickets, and create the splits."""
        from acme_graft import tickets

        return tickets.load(self.path, self, task, seed)


@dataclass
class Bag(ModelLoader):
    """The mean of a text's word vectors, a hidden layer and a head, from scratch (after Joulin et al. 2017)."""

    name: ClassVar[str] = "bag"
    task_types: ClassVar[tuple[str, ...]] = TEXTS
    capabilities: ClassVar[frozenset[str]] = frozenset({capabilities.GRADIENTS, capabilities.ADAPTERS})

    width: int = option(64, "Width of the word vectors and of the hidden layer.", low=1)
    vocabulary: int = option(5000, "Size of the vocabulary; all other words share one entry.", low=2)

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Refuse target types that it cannot predict, before any data is read."""
        if config.task.target == "regression":
            yield Problem("model", f"{self.name} predicts labels, not values.", "Use model=minilm.")

    def load(self, request: LoadRequest) -> LoadedModel:
        """Return a new model, or the one saved in `request.saved`."""
        from acme_graft import bag

        return bag.load(self, request)


@dataclass
class NaiveBayes(ModelLoader):
    """Multinomial naive Bayes over words: fitted by counting, without gradients."""

    name: ClassVar[str] = "naive_bayes"
    task_types: ClassVar[tuple[str, ...]] = TEXTS
    own_fit: ClassVar[bool] = True

    smoothing: float = option(1.0, "Count that every word starts with for every label (Laplace smoothing).", above=0)
    vocabulary: int = option(5000, "Size of the vocabulary; all other words share one entry.", low=2)

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Refuse target types that it cannot predict, before any data is read."""
        if config.task.target != "single":
            yield Problem("model", f"{self.name} predicts one label per text.", "Use model=bag for several labels.")

    def load(self, request: LoadRequest) -> LoadedModel:
        """Return a model that is not fitted yet, or the one saved in `request.saved`."""
        from acme_graft import naive_bayes

        return naive_bayes.load(self, request)


@dataclass
class Anchor(AdapterMethod):
    """Train every weight and pull it towards its start (L2-SP; Li et al. 2018, arXiv:1802.01483)."""

    name: ClassVar[str] = "anchor"

    pull: float = option(0.01, "Share of the distance to its start that a weight moves back after each step.", high=1)
    head_rate: float = option(5.0, "Learning rate of the head, as a multiple of the usual rate.", above=0)

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Remember the start of every weight outside the head."""
        heads = tuple(f"{head}." for head in model.heads)
        named = model.module.requires_grad_(True).named_parameters()
        self._start = {name: each.detach().clone() for name, each in named if not name.startswith(heads)}
        return model

    def param_groups(self, model: LoadedModel, lr: float) -> list[ParamGroup]:
        """Return two groups: the other weights, and the head without weight decay."""
        from core.runtime import unwrap

        heads = [name for name, _ in unwrap(model.module).named_parameters() if name not in self._start]
        return [ParamGroup(list(self._start), lr), ParamGroup(heads, self.head_rate * lr, weight_decay=0.0)]

    def after_step(self, model: LoadedModel, step: int) -> None:
        """Pull each weight towards its start."""
        from core.runtime import unwrap

        for name, parameter in unwrap(model.module).named_parameters():
            if name in self._start:
                parameter.data.lerp_(self._start[name].to(parameter.device), self.pull)

    def state_dict(self) -> dict[str, Any]:
        """Return the start of each weight, for checkpoints."""
        return {"start": self._start}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the start of each weight when a run is resumed."""
        self._start = state["start"]


@dataclass
class QuadraticKappa(Metric):
    """Agreement of ordered labels beyond chance; an error of two steps costs four times one step (Cohen 1968)."""

    name: ClassVar[str] = "quadratic_kappa"
    targets: ClassVar[tuple[str, ...]] = ("single",)

    def build(self, output: OutputSpec) -> torchmetrics.Metric:
        """Return a new streaming metric."""
        from acme_graft import kappa

        return kappa.build(len(output.labels))

    def resample(
        self, predictions: Predictions, targets: Targets, counts: NDArray[np.int64], output: OutputSpec
    ) -> NDArray[np.float64]:
        """Return kappa of all resamples from one matrix product; without this method, each is computed separately."""
        from acme_graft import kappa

        return kappa.resample(predictions, targets, counts)


@hookimpl
def data_adapters() -> Sequence[type[DataAdapter]]:
    """Return the data adapters of this plugin."""
    return [Tickets]


@hookimpl
def model_loaders() -> Sequence[type[ModelLoader]]:
    """Return the model loaders of this plugin."""
    return [Bag, NaiveBayes]


@hookimpl
def adapter_methods() -> Sequence[type[AdapterMethod]]:
    """Return the adapter methods of this plugin."""
    return [Anchor]


@hookimpl
def metrics() -> Sequence[type[Metric]]:
    """Return the metrics of this plugin."""
    return [QuadraticKappa]


@hookimpl
def config_paths() -> Sequence[str]:
    """Return the folder of presets, which has the layout of Graft's own `conf/`."""
    return ["pkg://acme_graft.conf"]
