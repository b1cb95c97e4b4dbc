"""Which method fits which family follows from what both declare, and has a reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import graft_toy
import pytest

from core.cli.compatibility_table import legend
from core.config.validation import check
from core.contracts.capabilities import (
    ADAPTERS,
    BF16,
    FEATURES,
    FP16,
    FP32,
    GRADIENTS,
    LAYERS,
    LINEAR,
    PRECISIONS,
    QUANTIZED,
)
from core.contracts.components import AdapterMethod, ModelLoader
from core.contracts.model import LoadedModel, LoadRequest, QuantizationConfig, TrainingPlan
from core.contracts.train_config import TrainConfig
from core.errors import ConfigError
from core.registry import compatibility
from core.registry.compatibility import CAPABILITIES, EXPERIMENTAL, SUPPORTED, UNSUPPORTED, Fit, fit  # fmt: skip
from core.registry.registry import load_registry
from plugins.methods.lora import Lora
from plugins.methods.peft_methods import Vera
from plugins.methods.selective import Freeze, Full, Head

Graft = Callable[..., tuple[int, str, str]]
BUILT_IN = ("full", "head", "freeze", "bitfit", "lora", "adalora", "ia3", "loha", "lokr")


@dataclass
class Bag(ModelLoader):
    """A third party's family."""

    name: ClassVar[str] = "acme-bag"

    def load(self, request: LoadRequest) -> LoadedModel:
        raise AssertionError


@dataclass
class Counted(Bag):
    """Fitted without gradients; it declares no capabilities."""

    name: ClassVar[str] = "acme-counts"
    own_fit: ClassVar[bool] = True


@dataclass
class Quantizing(AdapterMethod):
    """A third party's method."""

    name: ClassVar[str] = "acme-q"
    needs: ClassVar[Mapping[str, str]] = {GRADIENTS: "it learns by gradients", QUANTIZED: "it trains on 4-bit weights"}
    experimental: ClassVar[Mapping[str, str]] = {FEATURES: "its kernels are new"}

    def weights(self) -> QuantizationConfig:
        return QuantizationConfig(4, "nf4", True, "bfloat16", "acme")

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        return model


@dataclass
class Careless(Quantizing):
    """It quantizes without declaring it in its needs."""

    name: ClassVar[str] = "acme-careless"
    needs: ClassVar[Mapping[str, str]] = {}


@dataclass
class Sorcery(Quantizing):
    """It needs a capability that Graft does not know."""

    name: ClassVar[str] = "acme-s"
    needs: ClassVar[Mapping[str, str]] = {"acme.magic": "it works by magic"}


def family(*offered: str, task_types: tuple[str, ...] = ()) -> type[ModelLoader]:
    return type("Some", (Bag,), {"capabilities": frozenset(offered), "task_types": task_types})


@pytest.mark.parametrize(
    ("method", "model"),
    [
        (Full, family(GRADIENTS)),
        (Full, Counted),
        (Head, family(GRADIENTS)),
        (Lora, family(GRADIENTS, ADAPTERS)),
        (Freeze, family(GRADIENTS, LAYERS)),
        (Quantizing, family(GRADIENTS, QUANTIZED)),
        (Sorcery, family("acme.magic")),
    ],
)
def test_a_method_fits_a_model_with_all_capabilities_that_it_needs(
    method: type[AdapterMethod], model: type[ModelLoader]
) -> None:
    assert fit(model, method) == Fit(SUPPORTED)


@pytest.mark.parametrize(
    ("method", "model", "needs", "lacks"),
    [
        (Head, Counted, "its head is trained by gradients", "acme-counts is fitted without gradients"),
        (
            Lora,
            family(GRADIENTS, LAYERS),
            "it puts updates on some of the submodules",
            "acme-bag does not list the submodules that an adapter can wrap (`adapter_targets`)",
        ),
        (
            Freeze,
            Bag,
            "it trains the last layers",
            "acme-bag does not list its parameters by depth (`layers`)",
        ),
        (Freeze, family(LAYERS), "its last layers are trained by gradients", "acme-bag does not train with gradients"),
        (
            Quantizing,
            family(GRADIENTS),
            "it trains on 4-bit weights",
            "acme-bag cannot quantize its weights while it loads them",
        ),
        (Sorcery, Bag, "it works by magic", "acme-bag does not declare the capability 'acme.magic'"),
    ],
)
def test_a_missing_capability_is_reported_with_the_reason_why_it_is_needed(
    method: type[AdapterMethod], model: type[ModelLoader], needs: str, lacks: str
) -> None:
    assert fit(model, method) == Fit(UNSUPPORTED, f"{needs}, and {lacks}")


def test_an_experimental_fit_has_a_note() -> None:
    assert fit(family(GRADIENTS, QUANTIZED, FEATURES), Quantizing) == Fit(EXPERIMENTAL, "its kernels are new")


def test_a_method_and_a_model_without_a_common_task_type() -> None:
    text = type("Text", (Quantizing,), {"needs": {}, "task_types": ("text-classification",)})
    assert fit(family(GRADIENTS, task_types=("text-classification", "regression")), text).status == SUPPORTED
    found = fit(family(GRADIENTS, task_types=("image-classification",)), text)
    assert found == Fit(UNSUPPORTED, "it supports text-classification, and acme-bag supports image-classification")


def test_every_capability_has_a_meaning_and_a_clause_for_its_absence() -> None:
    for name, capability in CAPABILITIES.items():
        assert name == capability.name
        assert capability.meaning
        assert compatibility.lacking(family(name), name) == ""
        assert compatibility.lacking(family(), name).startswith("acme-bag ")
        assert name == GRADIENTS or "capability" not in compatibility.lacking(family(), name)


@pytest.mark.parametrize("method", BUILT_IN)
@pytest.mark.parametrize("model", ["encoder", "decoder", "timm"])
def test_the_built_in_families_fit_the_built_in_methods(model: str, method: str) -> None:
    found: Any = load_registry().components
    assert fit(found["model"][model], found["method"][method]).status == SUPPORTED


@pytest.mark.parametrize(
    ("method", "model", "message"),
    [
        (Freeze(), graft_toy.Toy(), "freeze cannot adapt toy: it trains the last layers, and toy does not list"),
        (Lora(), graft_toy.Toy(), "lora cannot adapt toy: it puts updates on some of the submodules, and toy does"),
        (Head(), graft_toy.Guess(), "head cannot adapt guess: its head is trained by gradients, and guess is fitted"),
        (Quantizing(), graft_toy.Toy(), "acme-q cannot adapt toy: it trains on 4-bit weights, and toy cannot quan"),
        (Careless(), graft_toy.Toy(), "acme-careless quantizes weights while they are loaded, which model=toy does"),
    ],
)
def test_check_refuses_what_does_not_fit_with_the_reason(method: Any, model: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(graft_toy.config(method=method, model=model))
    assert f"method: {message}" in caught.value.report()
    assert "`python -m core list methods` shows which fit." in caught.value.report()


@dataclass
class Choosy(AdapterMethod):
    """It works in one precision, and is new in another."""

    name: ClassVar[str] = "acme-c"
    refuses: ClassVar[Mapping[str, str]] = {BF16: "its sums need every digit"}
    experimental: ClassVar[Mapping[str, str]] = {FP32: "it is new"}

    def apply(self, model: LoadedModel, plan: TrainingPlan) -> LoadedModel:
        return model


def test_precisions_are_refused_or_noted_by_either_side() -> None:
    model = family(GRADIENTS)
    assert fit(model, Choosy, BF16) == Fit(UNSUPPORTED, "its sums need every digit")
    assert fit(model, Choosy, FP32) == Fit(EXPERIMENTAL, "it is new")
    assert fit(model, Full, FP16).status == EXPERIMENTAL
    exact = type("Exact", (Bag,), {"capabilities": frozenset({GRADIENTS}), "refuses": {FP16: "it overflows"}})
    assert fit(exact, Full, FP16) == Fit(UNSUPPORTED, "it overflows")
    assert fit(Counted, Full, FP16) == Fit(SUPPORTED)


def test_a_precision_that_does_not_fit_is_refused_even_if_auto_chose_it() -> None:
    with pytest.raises(ConfigError) as caught:
        check(graft_toy.config(method=Choosy(), train=TrainConfig(precision="bf16")))
    assert "method: acme-c cannot adapt toy in bf16: its sums need every digit." in caught.value.report()
    check(graft_toy.config(method=Choosy(), train=TrainConfig(precision="auto")))
    with pytest.raises(ConfigError, match="acme-c cannot adapt toy in bf16"):
        compatibility.refuse_precision(graft_toy.Toy(), Choosy(), "bf16")
    compatibility.refuse_precision(graft_toy.Toy(), Full(), "bf16")


def test_a_capability_of_some_models_of_a_family_is_supported_with_a_note() -> None:
    some = type("Some", (Bag,), {"capabilities": frozenset({GRADIENTS, ADAPTERS}), "partly": {LINEAR: "the big ones"}})
    assert fit(some, Vera) == Fit(
        SUPPORTED, "it shares random matrices among linear layers; with acme-bag: the big ones"
    )
    assert fit(family(GRADIENTS, ADAPTERS), Vera).status == UNSUPPORTED


def test_list_methods_shows_the_table_and_gives_it_as_json(graft: Graft) -> None:
    code, out, _ = graft("list", "methods")
    assert code == 0
    table = out.partition(f"{legend()}\n\n")[2].splitlines()
    assert table[0].split() == sorted(load_registry().components["model"])
    rows = [row.split() for row in table[1 : table.index("")]]
    assert [row[0] for row in rows] == sorted(load_registry().components["method"])
    assert all(len(row) == 1 + len(load_registry().components["model"]) for row in rows)
    assert max(map(len, table)) <= 100
    entries = {entry["name"]: entry for entry in json.loads(graft("list", "methods", "--json")[1])}
    assert all(set(cells) == set(PRECISIONS) for entry in entries.values() for cells in entry["fits"].values())
    assert entries["lora"]["fits"]["timm"]["bf16"] == {"status": "supported", "reason": ""}
    assert entries["qlora"]["fits"]["timm"]["fp32"]["status"] == "unsupported"
    assert "timm cannot quantize its weights while it loads them" in entries["qlora"]["fits"]["timm"]["fp32"]["reason"]
    assert all("fits" not in entry for entry in json.loads(graft("list", "models", "--json")[1]))
    assert "which method" not in graft("list", "models")[1]


def test_show_prints_which_models_a_method_fits(graft: Graft) -> None:
    _, out, _ = graft("show", "method/freeze")
    assert "  on model timm in fp32, bf16: yes\n" in out
    assert "  on model timm in fp16: experimental; needs gradient scaling" in out
    assert json.loads(graft("show", "method/freeze", "--json")[1])["fits"]["encoder"]["fp32"]["status"] == "supported"
