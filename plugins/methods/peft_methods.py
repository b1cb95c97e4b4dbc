"""Methods besides LoRA that add small trained updates to a model's modules, through peft."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core import AdapterMethod, LoadedModel, LoadRequest, ModelLoader, Problem, TrainingPlan, option
from core.contracts import ADAPTERS, FP16, GRADIENTS, LINEAR
from plugins.methods.layer_kinds import CONVOLUTION, TRANSPOSED

if TYPE_CHECKING:
    from core import RunConfig

ON_MODULES: Mapping[str, str] = {
    GRADIENTS: "its updates are trained by gradients",
    ADAPTERS: "it puts updates on some of the submodules",
}
"""Capabilities that methods with updates on submodules need."""
TARGETS_HELP = "Name endings of the modules to adapt. null: the model family's default."
_NOT_BY_PEFT = "peft's update needs weights that are not transposed"
DROPOUT_HELP = "Probability of leaving out a module's update in a training step."


@dataclass
class OnModules(AdapterMethod):
    """The base of methods whose updates peft puts on modules: the check of unused targets, reopening and merging."""

    needs: ClassVar[Mapping[str, str]] = ON_MODULES

    def after_step(self, model: LoadedModel, step: int) -> None:
        """After the first step, refuse targets that the network never calls."""
        if step == 0:
            from plugins.methods.target_modules import refuse_unused

            refuse_unused(model.module.named_parameters())

    def reopen(self, loader: ModelLoader, request: LoadRequest) -> LoadedModel:
        """Return the base model with the adapter from `request.saved`."""
        from plugins.methods.peft_model import reopen

        return reopen(loader, request)

    def merge(self, model: LoadedModel) -> LoadedModel:
        """Return the model with the updates added to its weights."""
        from plugins.methods.peft_model import merged

        return merged(model)


@dataclass
class AdaLora(OnModules):
    """Train low-rank updates and move rank to the matrices that need it (Zhang et al. 2023, arXiv:2303.10512)."""

    name: ClassVar[str] = "adalora"
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 2e-3}
    refuses: ClassVar[Mapping[str, str]] = {
        FP16: "steps that the loss scaler skips would put infinities into the importance of each rank"
    }

    rank: int = option(8, "Average rank of an update at the end.", low=1)
    first_rank: int = option(12, "Rank of every update at the start; must be above `rank`.", low=2)
    alpha: float = option(16.0, "Updates are scaled by alpha / first_rank.", above=0)
    dropout: float = option(0.0, "Dropout on the update's input.", low=0, high=0.9)
    start: float = option(0.1, "Share of the steps before ranks begin to change.", low=0, high=0.9)
    end: float = option(0.3, "Share of the steps after ranks stop changing.", low=0, high=0.9)
    every: int = option(10, "Steps between two changes of the ranks.", low=1)
    orthogonality: float = option(0.1, "Weight of the loss term that keeps singular vectors orthonormal.", low=0)
    targets: list[str] | None = option(None, TARGETS_HELP)

    def __post_init__(self) -> None:
        """Initialize the reference to the adapted model, whose ranks are part of the state."""
        self._model: LoadedModel | None = None

    def check(self, config: RunConfig) -> Iterable[Problem]:
        """Report a start rank that is not above the final one, and too few steps to change ranks."""
        if self.first_rank <= self.rank:
            message = f"{self.first_rank} must be above the final rank, {self.rank}."
            yield Problem("method.first_rank", message, f"Use {self.rank + self.rank // 2 + 1}.")
        if self.start + self.end >= 1:
            message = f"{self.end} and method.start={self.start} leave no steps in which ranks change."
            yield Problem("method.end", message, "Use shares whose sum is below 1.")

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Wrap the module in peft's AdaLoRA.

        Raises:
            ConfigError: A target matches no module, or one that cannot be adapted.
        """
        from plugins.methods.peft_settings import adalora

        start, end = phases(plan.total_steps, self.start, self.end)
        settings = {
            "init_r": self.first_rank,
            "target_r": self.rank,
            "tinit": start,
            "tfinal": end,
            "deltaT": self.every,
            "total_step": plan.total_steps,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "orth_reg_weight": self.orthogonality,
        }
        self._model = adalora(model, self.targets, settings)
        return self._model

    def after_step(self, model: LoadedModel, step: int) -> None:
        """Update each rank's importance by its gradient, and drop the ranks beyond this step's budget."""
        from plugins.methods.peft_settings import update_ranks

        super().after_step(model, step)
        self._model = model
        update_ranks(model, step)

    def state_dict(self) -> dict[str, Any]:
        """Return the importances and the remaining ranks."""
        from plugins.methods.peft_settings import rank_state

        return rank_state(self._model) if self._model is not None else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state from `state_dict`, after the method has been applied."""
        from plugins.methods.peft_settings import load_rank_state

        if self._model is not None and state:
            load_rank_state(self._model, state)


def phases(total: int, start: float, end: float) -> tuple[int, int]:
    """Return the number of steps before ranks change and after they stop; at least one step lies between.

    Args:
        total: Number of steps in the run.
        start: Share of steps before ranks change.
        end: Share of steps after they stop changing.
    """
    before = min(int(total * start), max(0, total - 2))
    return before, min(int(total * end), max(0, total - before - 1))


@dataclass
class Ia3(OnModules):
    """Train one factor per output (or input) of some modules, and the head (Liu et al. 2022, arXiv:2205.05638)."""

    name: ClassVar[str] = "ia3"
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 1e-2}

    targets: list[str] | None = option(None, TARGETS_HELP)
    feedforward: list[str] | None = option(
        None, "Name endings of more modules, whose inputs are scaled: the second feed-forward layers in the paper."
    )

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Wrap the module in peft's IA3.

        Raises:
            ConfigError: A target matches no module, or one that cannot be adapted.
        """
        from plugins.methods.peft_settings import adapt

        inputs = list(self.feedforward or ())
        targets = self.targets if not inputs else [*(self.targets or model.adapter_targets), *inputs]
        return adapt(model, targets, "IA3Config", {"feedforward_modules": inputs})


@dataclass
class Vera(OnModules):
    """Train vectors that scale random matrices shared by all layers (Kopiczko et al. 2023, arXiv:2310.11454)."""

    name: ClassVar[str] = "vera"
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 1e-2}
    needs: ClassVar[Mapping[str, str]] = {**ON_MODULES, LINEAR: "it shares random matrices among linear layers"}

    rank: int = option(256, "Rank of the shared matrices.", low=1)
    scale: float = option(0.1, "Initial value of the first of the two trained vectors.", above=0)
    dropout: float = option(0.0, "Dropout on the update's input.", low=0, high=0.9)
    projections: bool = option(
        True,
        "Save the shared matrices too. false makes the adapter smaller, but it only works where torch generates "
        "the same random numbers.",
    )
    targets: list[str] | None = option(None, TARGETS_HELP)

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Wrap the module in peft's VeRA, with shared matrices generated from the run's seed.

        Raises:
            ConfigError: A target matches no module, or one that is not a linear layer.
        """
        from plugins.methods.peft_settings import adapt

        settings = {
            "r": self.rank,
            "vera_dropout": self.dropout,
            "d_initial": self.scale,
            "projection_prng_key": plan.seed,
            "save_projection": self.projections,
        }
        unfit = {CONVOLUTION: "VeRA shares its matrices among linear layers"}
        return adapt(model, self.targets, "VeraConfig", settings, unfit)


@dataclass
class Oft(OnModules):
    """Train rotations of the inputs of linear layers, in blocks, and the head (Qiu et al. 2023, arXiv:2306.07280)."""

    name: ClassVar[str] = "oft"
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 1e-3}
    needs: ClassVar[Mapping[str, str]] = {
        **ON_MODULES,
        LINEAR: "rotations of a convolution's patches, as peft computes them, would not merge",
    }

    block_size: int = option(
        32, "Number of inputs rotated together; adjusted for layers that it does not divide.", low=2
    )
    dropout: float = option(0.0, DROPOUT_HELP, low=0, high=0.9)
    targets: list[str] | None = option(None, TARGETS_HELP)

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Wrap the module in peft's OFT.

        Raises:
            ConfigError: A target matches no module, or one that cannot be adapted.
        """
        from plugins.methods.peft_settings import oft

        settings = {"r": 0, "oft_block_size": self.block_size, "module_dropout": self.dropout}
        unfit = {CONVOLUTION: "rotations of a convolution's patches would not merge", TRANSPOSED: _NOT_BY_PEFT}
        return oft(model, self.targets, settings, unfit)


@dataclass
class Loha(OnModules):
    """Train updates that are Hadamard products of low-rank matrices (Hyeon-Woo et al. 2021, arXiv:2108.06098)."""

    name: ClassVar[str] = "loha"
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 2e-3}

    rank: int = option(8, "Rank of each of the two factors. The rank of their product is at most its square.", low=1)
    alpha: int = option(16, "The update is scaled by alpha / rank.", low=1)
    dropout: float = option(0.0, DROPOUT_HELP, low=0, high=0.9)
    targets: list[str] | None = option(None, TARGETS_HELP)

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Wrap the module in peft's LoHa.

        Raises:
            ConfigError: A target matches no module, or one that cannot be adapted.
        """
        from plugins.methods.peft_settings import adapt

        settings = {"r": self.rank, "alpha": self.alpha, "module_dropout": self.dropout}
        return adapt(model, self.targets, "LoHaConfig", settings, {TRANSPOSED: _NOT_BY_PEFT})


@dataclass
class Lokr(OnModules):
    """Train updates that are Kronecker products, one factor of low rank (Yeh et al. 2023, arXiv:2309.14859)."""

    name: ClassVar[str] = "lokr"
    defaults: ClassVar[Mapping[str, float]] = {"learning_rate": 2e-3}

    rank: int = option(8, "Rank of the larger factor, if it is large enough to be factored.", low=1)
    alpha: int = option(16, "The update is scaled by alpha / rank.", low=1)
    factor: int = option(-1, "Size of the smaller factor. -1 makes both factors about equally large.", low=-1)
    dropout: float = option(0.0, DROPOUT_HELP, low=0, high=0.9)
    targets: list[str] | None = option(None, TARGETS_HELP)

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """Wrap the module in peft's LoKr.

        Raises:
            ConfigError: A target matches no module, or one that cannot be adapted.
        """
        from plugins.methods.peft_settings import adapt

        settings = {
            "r": self.rank,
            "alpha": self.alpha,
            "module_dropout": self.dropout,
            "decompose_factor": self.factor,
        }
        return adapt(model, self.targets, "LoKrConfig", settings, {TRANSPOSED: _NOT_BY_PEFT})
