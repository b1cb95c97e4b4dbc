"""A plugin for tests: a few hundred weights in plain torch and data made in memory, so that a run is quick."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from core.contracts.components import AdapterMethod, DataAdapter, ModelLoader, RunConfig
from core.contracts.model import LoadedModel, LoadRequest, Provenance, TrainingPlan
from core.contracts.splits import Splits
from core.contracts.train_config import TrainConfig
from core.options import option
from core.registry.hookspecs import hookimpl
from core.tasks.task import Task
from core.tasks.text import TextExample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.registry.registry import Registry

LABELS = ("calm", "fine", "wild")
BUCKETS = 24
PROFILE_PASSES = 3
"""Forward passes of the memory profile, before the first step."""


@dataclass
class Words(DataAdapter):
    """Sentences of made-up words, the same for the same seed."""

    name: ClassVar[str] = "words"

    examples: int = option(60, "Training examples.", low=1)
    held_out: int = option(18, "Validation examples, and as many test examples.", low=1)
    flavour: str = option("", "Another word gives other data.")
    group_size: int = option(0, "So many neighbors are a group; 0 for no groups.", low=0)

    def load(self, task: Task, seed: int) -> Splits:
        """Make the sentences."""
        sizes = {"train": self.examples, "val": self.held_out, "test": self.held_out}
        made = {split: [self._example(split, row, task.target) for row in range(n)] for split, n in sizes.items()}
        labels = () if task.target == "regression" else LABELS
        fingerprint = hashlib.sha256(repr((made, seed)).encode()).hexdigest()
        groups = self._groups(sizes) if self.group_size else None
        return Splits(**made, labels=labels, fingerprint=fingerprint, description="Made-up words.", groups=groups)

    def _groups(self, sizes: Mapping[str, int]) -> dict[str, NDArray[np.int64]]:
        import numpy as np

        return {split: 1000 * k + np.arange(n) // self.group_size for k, (split, n) in enumerate(sizes.items())}

    def _example(self, split: str, row: int, target: str) -> TextExample:
        digest = hashlib.sha256(f"{split}{row}{self.flavour}".encode()).digest()
        label = digest[0] % 3
        words = [f"w{byte % 40}" for byte in digest[1 : 3 + digest[30] % 20]] + [LABELS[label]] * (digest[31] % 3)
        wanted = {"single": label, "multi": tuple(sorted({label, digest[2] % 3})), "regression": 10.0 * label + 100}
        return TextExample(" ".join(words), wanted[target], place=f"{split}:{row + 1}")


@dataclass
class Toy(ModelLoader):
    """A bag of words under one hidden layer."""

    name: ClassVar[str] = "toy"
    task_types: ClassVar[tuple[str, ...]] = ("text-classification",)

    width: int = option(8, "Width of the hidden layer.", low=1)
    dropout: float = option(0.2, "Dropout of the hidden layer.", low=0, high=0.9)
    memory: int = option(0, "More examples than this in a training pass run out of memory; 0 for no limit.", low=0)
    sabotage: bool = option(False, "Save other weights than those that were trained.")
    end_at: int = option(0, "Send SIGTERM to the process at this training pass; 0 for not.", low=0)
    step_seconds: float = option(0.0, "Each training pass takes so long at least.", low=0)

    def load(self, request: LoadRequest) -> LoadedModel:
        """Build it, or open what was saved."""
        return ToyModel(self, request)


class ToyPrepared:
    """Bags of words."""

    def __init__(self, examples: Sequence[TextExample]) -> None:
        import numpy as np

        self.examples = examples
        self.lengths = np.asarray([len(each.text.split()) for each in examples], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.examples)

    def fetch(self, index: int, epoch: int, rng: Any) -> TextExample:
        return self.examples[index]


class ToyModel(LoadedModel):
    """See `Toy`."""

    heads = ("head",)
    adapter_targets = ("body",)

    def __init__(self, options: Toy, request: LoadRequest) -> None:
        import torch
        from safetensors.torch import load_file
        from torch import nn

        class Network(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body = nn.Linear(BUCKETS, options.width)
                self.drop = nn.Dropout(options.dropout)
                self.head = nn.Linear(options.width, request.output.width)

            def forward(self, bags: torch.Tensor) -> torch.Tensor:
                logits: torch.Tensor = self.head(self.drop(torch.tanh(self.body(bags))))
                return logits

        self.options, self.request, self.passes = options, request, 0
        with torch.random.fork_rng():
            torch.manual_seed(request.seed)
            self.module = Network()
        if request.saved is not None:
            self.module.load_state_dict(load_file(request.saved / "model.safetensors"))
        self.provenance = Provenance("scratch", "toy", "made for a test")
        self.defaults: Mapping[str, float] = {"epochs": 3, "learning_rate": 1e-2}
        self.findings = []

    def prepare(self, examples: Sequence[Any], train: bool) -> Any:
        return ToyPrepared(examples)

    def collate(self, items: Sequence[Any]) -> dict[str, Any]:
        import torch

        bags = torch.zeros(len(items), BUCKETS)
        for row, item in enumerate(items):
            for word in item.text.split():
                bags[row, zlib.crc32(word.encode()) % BUCKETS] += 1.0
        batch = {"bags": bags}
        if items[0].target is not None:
            targets = self.request.output.stack([item.target for item in items])
            batch["targets"] = torch.from_numpy(targets)
        return batch

    def loss(self, batch: dict[str, Any]) -> Any:
        import time

        import torch

        from core.tasks.targets.losses import per_example_loss

        self.passes += 1
        if self.options.end_at and self.options.end_at == self.passes - PROFILE_PASSES:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(self.options.step_seconds)
        if 0 < self.options.memory < len(batch["bags"]):
            raise torch.OutOfMemoryError("the toy has no memory for so many examples")
        request = self.request
        logits = self.module(batch["bags"])
        return per_example_loss(
            logits, batch["targets"], request.output, request.class_weights, request.label_smoothing
        )

    def predict(self, batch: dict[str, Any]) -> Any:
        from core.tasks.targets.losses import to_predictions

        return to_predictions(self.module(batch["bags"]), self.request.output)

    def save(self, directory: Path) -> None:
        from safetensors.torch import save_file

        from core.runtime.modules import unwrap

        directory.mkdir(parents=True, exist_ok=True)
        state = {name: value.contiguous() for name, value in unwrap(self.module).state_dict().items()}
        if self.options.sabotage:
            state["head.weight"] = -state["head.weight"]
        save_file(state, directory / "model.safetensors")


@dataclass
class Guess(ModelLoader):
    """Counts the labels of the training split: fitted without gradients."""

    name: ClassVar[str] = "guess"
    own_fit: ClassVar[bool] = True

    def load(self, request: LoadRequest) -> LoadedModel:
        """Nothing to load but what was saved."""
        return GuessModel(request)


class GuessModel(ToyModel):
    """See `Guess`."""

    heads = ()
    adapter_targets = ()

    def __init__(self, request: LoadRequest) -> None:
        from torch import nn

        self.request, self.module, self.shares = (
            request,
            nn.Module(),
            [1.0 / request.output.width] * request.output.width,
        )
        if request.saved is not None:
            self.shares = json.loads((request.saved / "shares.json").read_text(encoding="utf-8"))
        self.provenance, self.defaults, self.findings = Provenance("scratch", "guess", "counted"), {}, []

    def fit(self, examples: Sequence[Any], weights: Any, seed: int) -> None:
        """Count."""
        import numpy as np

        targets = [example.target for example in examples]
        counts = np.bincount(targets, weights=weights, minlength=self.request.output.width)
        self.shares = (counts / counts.sum()).tolist()

    def predict(self, batch: dict[str, Any]) -> Any:
        import torch

        return torch.tensor([self.shares] * len(batch["bags"]), dtype=torch.float32)

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "shares.json").write_text(json.dumps(self.shares), encoding="utf-8")


@dataclass
class Whole(AdapterMethod):
    """Train everything; for tests that want no other plugin's method."""

    name: ClassVar[str] = "whole"

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        """As it is."""
        return model


@dataclass
class Needy(ModelLoader):
    """Needs a package that nobody has."""

    name: ClassVar[str] = "needy"
    requires: ClassVar[Mapping[str, str]] = {"a_package_that_nobody_has": "pip install a-package-that-nobody-has"}

    def load(self, request: LoadRequest) -> LoadedModel:
        """Never called."""
        raise AssertionError


@hookimpl
def model_loaders() -> list[type[ModelLoader]]:
    return [Toy, Guess, Needy]


@hookimpl
def data_adapters() -> list[type[DataAdapter]]:
    return [Words]


@hookimpl
def adapter_methods() -> list[type[AdapterMethod]]:
    return [Whole]


EXTENSION_POINTS: dict[str, list[Any]] = {"model": [Toy, Guess, Needy], "data": [Words], "method": [Whole]}


@contextmanager
def registered(registry: Registry) -> Iterator[None]:
    """The components in a registry that has been filled, and in Hydra's store; for a while."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    for point, components in EXTENSION_POINTS.items():
        for component in components:
            registry.components[point][component.name] = component
            registry.owners[point][component.name] = "graft_toy"
            store.store(group=point, name=component.name, node=component)
    try:
        yield
    finally:
        for point, components in EXTENSION_POINTS.items():
            for component in components:
                del registry.components[point][component.name]
                del registry.owners[point][component.name]
                del store.repo[point][f"{component.name}.yaml"]


def config(**changes: Any) -> RunConfig:
    """A run of a moment; `train__epochs=5`, `model__width=4`, `task__target="multi"` and so on change it."""
    from plugins.metrics.classification import Accuracy, LogLoss

    train = TrainConfig(
        epochs=2, batch_size=16, learning_rate=1e-2, precision="fp32", device="cpu", bootstrap_resamples=20
    )
    made = RunConfig(
        task=Task(name="toy"), data=Words(), model=Toy(), method=Whole(), train=train,
        metrics={"accuracy": Accuracy(), "log_loss": LogLoss()},
    )  # fmt: skip
    for key, value in changes.items():
        part, _, name = key.partition("__")
        if name:
            setattr(getattr(made, part), name, value)
        else:
            setattr(made, part, value)
    return made


def better_is_higher(new: float, old: float) -> bool:
    """For loops of tests."""
    return new > old


Evaluate = Callable[[], Mapping[str, float]]
