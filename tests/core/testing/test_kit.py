"""The conformance kit catches components that break one rule each, and its message names the rule.

Covers: core/testing/components.py, core/testing/costs.py, core/testing/data.py, core/testing/expect.py,
core/testing/methods.py, core/testing/metrics.py, core/testing/models.py, core/testing/plugins.py,
core/testing/running.py, core/testing/samples.py
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torchmetrics
from torch import Tensor

from core.contracts.components import AdapterMethod, DataAdapter, Metric
from core.contracts.model import LoadedModel, LoadRequest, TrainingPlan
from core.contracts.splits import Splits
from core.options import option
from core.registry.registry import load_registry
from core.tasks.output import OutputSpec
from core.tasks.task import Task
from core.testing.components import check_component
from core.testing.data import PARTS, check_data_adapter
from core.testing.methods import check_cell, check_method
from core.testing.metrics import check_metric
from core.testing.models import check_model_loader
from core.testing.plugins import check_light, check_plugin
from core.testing.samples import sample_examples

Encoder: Any = load_registry().components["model"]["encoder"]
TINY = {"hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}


@dataclass
class Plain(AdapterMethod):
    """Change nothing."""

    name: ClassVar[str] = "plain"

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        return model


def method(doc: str | None = "Do something.", **attributes: Any) -> type[AdapterMethod]:
    """A method class with some attributes of its own."""
    annotations = {key: attributes.pop(f"{key}_type") for key in list(attributes) if f"{key}_type" in attributes}
    body = {"__doc__": doc, "__annotations__": annotations, "__module__": __name__, "name": "some", **attributes}
    return dataclass(type("Some", (Plain,), body))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (method(doc=None), "needs a docstring"),
        (method(doc="Do something"), "must end with a period"),
        (method(name="Some Method"), "in lower case"),
        (method(task_types="text-classification"), "must be a tuple of names"),
        (method(rank=8, rank_type=int), "`rank` needs help"),
        (method(rank=option(8, "The rank"), rank_type=int), "must end with a period"),
        (method(rank=option(0, "The rank.", low=1), rank_type=int), "outside its own limits"),
        (method(rank=option(None, "The rank.", factory=lambda: "x"), rank_type=int), "OmegaConf cannot hold"),
        (method(rank=option(1, "The rank."), rank_type=str | list[str]), "OmegaConf cannot hold"),
        (method(rank=option(help="The rank."), rank_type=int), "needs a default"),
        (method(defaults={"rate": 1.0}), "`defaults` may contain epochs, learning_rate"),
        (type("Bare", (Plain,), {"__doc__": "Do something."}), "must be a @dataclass"),
    ],
)
def test_a_component_that_breaks_a_rule(broken: type[AdapterMethod], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_component(broken)


def test_a_complete_component_passes() -> None:
    check_component(Plain)
    check_component(method(rank=option(8, "The rank.", low=1), rank_type=int, defaults={"learning_rate": 1e-3}))


@dataclass
class Tokenless(Plain):
    """Change nothing in images."""

    name: ClassVar[str] = "tokenless"
    variant_of: ClassVar[str] = "prompt"
    task_types: ClassVar[tuple[str, ...]] = ("image-classification",)


@dataclass
class Wordy(Tokenless):
    """Change nothing in images, in many words."""

    tokens: str = option("many", "Number of virtual tokens.")


TOKENS = "its option `tokens` must have the type <class 'int'>, because it is a variant of prompt."


@pytest.mark.parametrize(
    ("component", "original", "message"),
    [
        (Wordy, "prompt", TOKENS),
        (Tokenless, "lora", "needs `task_types`, the task types for which it replaces the other; lora needs them too."),
        (Tokenless, "promt", "`variant_of` must name another registered method; it is 'promt'."),
        (Tokenless, "tokenless", "`variant_of` must name another registered method; it is 'tokenless'."),
    ],
)
def test_a_variant_that_breaks_a_rule(
    component: type[Tokenless], original: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(load_registry().components["method"], "tokenless", Tokenless)
    monkeypatch.setattr(component, "variant_of", original)
    with pytest.raises(AssertionError, match=re.escape(message)):
        check_component(component)


def test_a_variant_can_lack_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(load_registry().components["method"], "tokenless", Tokenless)
    check_component(Tokenless)


def test_a_plugin_that_imports_torch_or_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_plugin.py").write_text("import numpy\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(AssertionError, match="imports numpy when Graft starts"):
        check_light("heavy_plugin")
    with pytest.raises(AssertionError, match="is not installed"):
        check_plugin("no_such_plugin")


@dataclass
class Drawn(DataAdapter):
    """Cut by chance, or with a flaw."""

    name: ClassVar[str] = "drawn"
    flaw: str = option("", "What is wrong.")

    def load(self, task: Task, seed: int) -> Splits:
        examples = sample_examples()
        if self.flaw == "chance":
            random.shuffle(examples)
        if self.flaw == "place":
            examples[3] = replace(examples[3], place="")
        if self.flaw == "target":
            examples[3] = replace(examples[3], target=7)
        labels = ("calm", "fine", "wild")
        if self.flaw == "unseen":
            examples = [replace(each, target=0 if row < 30 else 1) for row, each in enumerate(examples)]
        parts = examples[:30], examples[30:39], examples[39:]
        draw = {"float groups": np.zeros, "drawn groups": lambda n: np.random.default_rng().integers(0, 10**9, n)}
        numbers: Any = ({"groups": np.arange} | draw).get(self.flaw)
        groups = numbers and {name: numbers(len(part)) for name, part in zip(PARTS, parts, strict=True)}
        return Splits(*parts, labels, "0" * 64, description="made up", groups=groups)


@pytest.mark.parametrize(
    ("flaw", "message"),
    [
        ("chance", "twice with one seed gives different splits"),
        ("place", r"train\[3\] needs a `place`"),
        ("target", r"the target of train\[3\] must be the index"),
        ("unseen", "lacks labels of the other splits: fine"),
        ("float groups", r"`groups\['train'\]` must be an int64 array"),
        ("drawn groups", "twice with one seed gives different groups"),
    ],
)
def test_a_data_adapter_that_breaks_a_rule(flaw: str, message: str) -> None:
    check_data_adapter(Drawn(), Task())
    check_data_adapter(Drawn(flaw="groups"), Task())
    with pytest.raises(AssertionError, match=message):
        check_data_adapter(Drawn(flaw=flaw), Task())


class LastBatch(torchmetrics.Metric):  # type: ignore[misc]
    """Remembers the last batch only."""

    def __init__(self) -> None:
        super().__init__()
        self.add_state("value", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, predictions: Tensor, targets: Tensor) -> None:
        self.value = (predictions.argmax(dim=1) == targets).float().mean()

    def compute(self) -> Tensor:
        return self.value


@dataclass
class Forgetful(Metric):
    """Streams wrongly."""

    name: ClassVar[str] = "forgetful"
    targets: ClassVar[tuple[str, ...]] = ("single",)

    def build(self, output: OutputSpec) -> torchmetrics.Metric:
        return LastBatch()


class Fixed(torchmetrics.Metric):  # type: ignore[misc]
    """Has the same table whatever it sees."""

    full_state_update = False

    def __init__(self, values: Sequence[float]) -> None:
        super().__init__()
        self.values = values

    def update(self, predictions: Any, targets: Any) -> None:
        pass

    def compute(self) -> torch.Tensor:
        return torch.tensor(self.values)


@pytest.mark.parametrize(
    ("values", "accepted"),
    [([math.nan, 0.5, 0.2], True), ([math.nan] * 3, False), ([0.5, math.inf, 0.5], False)],
)
def test_a_metric_may_leave_labels_of_a_table_unscored_but_not_all(values: list[float], accepted: bool) -> None:
    class Table(Forgetful):
        decides = True

        def build(self, output: OutputSpec) -> torchmetrics.Metric:
            return Fixed(values)

    if accepted:
        check_metric(Table())
        return
    with pytest.raises(AssertionError, match="must be finite for ordinary predictions"):
        check_metric(Table())


def test_a_metric_that_breaks_a_rule() -> None:
    class Unaware(Forgetful):
        targets = ()

    with pytest.raises(AssertionError, match="accepts no target type"):
        check_metric(Unaware())
    with pytest.raises(AssertionError, match="three updates give another value"):
        check_metric(Forgetful())
    accuracy: Any = load_registry().components["metric"]["accuracy"]

    class Reversed(accuracy):  # type: ignore[misc]
        higher_is_better = False

    with pytest.raises(AssertionError, match="`higher_is_better` is False, but perfect predictions score 1"):
        check_metric(Reversed())

    class Boastful(accuracy):  # type: ignore[misc]
        decides = False

    with pytest.raises(AssertionError, match="only decisions change its value"):
        check_metric(Boastful())
    log_loss: Any = load_registry().components["metric"]["log_loss"]

    class Hasty(log_loss):  # type: ignore[misc]
        decides = True

    with pytest.raises(AssertionError, match="`decides` is True, but other predictions with the same decisions"):
        check_metric(Hasty())

    class Halved(accuracy):  # type: ignore[misc]
        def resample(self, *arguments: Any) -> Any:
            return super().resample(*arguments) / 2

    with pytest.raises(AssertionError, match="`resample` with each example once differs"):
        check_metric(Halved())

    class PerDraw(accuracy):  # type: ignore[misc]
        def resample(self, predictions: Any, targets: Any, counts: Any, output: OutputSpec) -> Any:
            right = super().resample(predictions, targets, counts, output) * counts.sum(axis=1)
            return right / len(targets)  # as if each resample had as many examples as the split

    with pytest.raises(AssertionError, match="`resample` differs from `compute` on the resampled examples"):
        check_metric(PerDraw())


def flawed(change: Callable[[Any], None]) -> Any:
    """A loader whose models are changed before anyone sees them."""

    class Flawed(Encoder):  # type: ignore[misc]
        def load(self, request: LoadRequest) -> Any:
            model = super().load(request)
            change(model)
            return model

    return Flawed(init="scratch", architecture="bert", **TINY)


def _no_mask(model: Any) -> None:
    collate = model.collate
    model.collate = lambda items: {**(batch := collate(items)), "attention_mask": torch.ones_like(batch["input_ids"])}


def _no_head(model: Any) -> None:
    model.heads = ()


def _unsaved(model: Any) -> None:
    save, weight = model.save, model.module.classifier.weight

    def forget(directory: Path) -> None:
        kept = weight.detach().clone()
        with torch.no_grad():
            weight.zero_()
            save(directory)
            weight.copy_(kept)

    model.save = forget


def _logits(model: Any) -> None:
    model.predict = lambda batch: model._logits(batch).float()


def _no_targets(model: Any) -> None:
    model.adapter_targets = ()


def _no_features(model: Any) -> None:
    model.__class__ = type(model).__mro__[1]


def _layers_twice(model: Any) -> None:
    model.layers = (*model.layers[:-1], model.layers[0] + model.layers[-1])


def _layers_lost(model: Any) -> None:
    model.layers = model.layers[1:]


def _head_early(model: Any) -> None:
    *body, last = model.layers
    model.layers = (last, *body)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_no_targets, "names 'adapters', but `adapter_targets` is empty"),
        (_no_features, "names 'features', but the model has no `features`"),
        (_layers_twice, "`layers` must name each parameter of the module once; wrong for bert.embeddings"),
        (_layers_lost, "`layers` must name each parameter of the module once; wrong for bert.embeddings"),
        (_head_early, "must have the head's parameters in the last layer; wrong for bert.pooler"),
        (_no_mask, "depends on the others in its batch"),
        (_no_head, "`heads` must name"),
        (_unsaved, "opened again .* predicts differently"),
        (_logits, "must give probabilities"),
    ],
)
def test_a_model_loader_that_breaks_a_rule(change: Callable[[Any], None], message: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=message):
        check_model_loader(flawed(change), tmp_path)


@dataclass
class Frozen(Plain):
    """Let nothing train, or draw without a seed."""

    name: ClassVar[str] = "frozen"
    flaw: str = option("", "What is wrong.")

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        if self.flaw == "head":
            for parameter in model.module.get_submodule(model.heads[-1]).parameters():
                parameter.requires_grad_(False)
        if self.flaw == "chance":
            with torch.no_grad():
                next(model.module.parameters()).add_(random.SystemRandom().random())
        return model


@pytest.mark.parametrize(
    ("flaw", "message"), [("head", "the head always trains"), ("chance", "a resumed run would differ")]
)
def test_a_method_that_breaks_a_rule(flaw: str, message: str, tmp_path: Path) -> None:
    loader = Encoder(init="scratch", architecture="bert", **TINY)
    with pytest.raises(AssertionError, match=message):
        check_method(Frozen(flaw=flaw), loader, tmp_path)


@dataclass
class Fading(Plain):
    """Pull weights towards zero, less and less; without its state, a resumed run begins to pull anew."""

    name: ClassVar[str] = "fading"
    remembers: bool = option(True, "Whether the strength is part of its state.")

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        self.strength = 0.1
        return model

    def after_step(self, model: LoadedModel, step: int) -> None:
        with torch.no_grad():
            for parameter in model.module.parameters():
                parameter.mul_(1 - self.strength)
        self.strength /= 2

    def state_dict(self) -> dict[str, Any]:
        return {"strength": self.strength} if self.remembers else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.strength = state.get("strength", self.strength)


def test_a_method_that_forgets_its_state(tmp_path: Path) -> None:
    loader = Encoder(init="scratch", architecture="bert", **TINY)
    check_method(Fading(), loader, tmp_path / "one")
    with pytest.raises(AssertionError, match="a resumed run ends with other weights"):
        check_method(Fading(remembers=False), loader, tmp_path / "two")


def test_a_method_that_merges_wrongly(tmp_path: Path) -> None:
    lora: Any = load_registry().components["method"]["lora"]

    class Lossy(lora):  # type: ignore[misc]
        def merge(self, model: Any) -> Any:
            model.inner.module = model.module.unload()
            return model.inner

    loader = Encoder(init="scratch", architecture="roberta", **TINY)
    with pytest.raises(
        AssertionError, match="the merged model, saved and opened without the method, predicts differently"
    ):
        check_method(Lossy(), loader, tmp_path)


def test_a_cell_is_refused_with_its_reason_or_works(tmp_path: Path) -> None:
    loader = Encoder(init="scratch", architecture="bert", **TINY)
    assert check_cell(Plain(), loader, tmp_path)
    assert not check_cell(method(needs={"acme.magic": "it works by magic"})(), loader, tmp_path)
    assert not check_cell(method(refuses={"bf16": "it overflows"})(), loader, tmp_path, "bf16")
