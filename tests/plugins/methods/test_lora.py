"""LoRA on convolutions and on attention: what trains, what stays, what is saved, and what is refused.

Covers: plugins/methods/layer_kinds.py, plugins/methods/target_modules.py
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import image_samples
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.contracts.model import LoadedModel, Provenance, TrainingPlan
from core.contracts.protocols import SupportsFeatures, SupportsPreview
from core.contracts.train_config import TrainConfig
from core.errors import ConfigError
from core.runtime.determinism import seed_everything
from core.runtime.modules import training_mode
from core.training.optimizer import build_optimizer
from plugins.images.plugin import Timm
from plugins.methods.lora import Lora
from plugins.methods.peft_model import ADAPTER
from plugins.methods.target_modules import choose_targets, refuse_unused
from plugins.text.plugin import Encoder

FAMILIES = ("test_resnet", "resnet10t", "test_vit", "test_convnext", "test_efficientnet", "mobilenetv3_small_050")
EXAMPLES = image_samples.examples(12)


def loader(name: str, augment: str = "none") -> Timm:
    return Timm(init="scratch", scratch=name, image_size=64 if name == "resnet10t" else 32, augment=augment)


def lived_in(name: str, augment: str = "none") -> Any:
    """A model whose norms are not as they were made, as if it had been pretrained."""
    model = loader(name, augment).load(image_samples.load_request(EXAMPLES))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in model.module.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                for value in (layer.weight, layer.bias, layer.running_mean, layer.running_var):
                    assert value is not None
                    value.add_(torch.rand(value.shape, generator=generator) / 2)
    return model


def batch(model: Any) -> dict[str, Tensor]:
    prepared = model.prepare(EXAMPLES, False)
    found: dict[str, Tensor] = model.collate([prepared.fetch(row, 0, None) for row in range(len(EXAMPLES))])
    return found


@torch.no_grad()
def logits(module: nn.Module, inputs: Tensor) -> Tensor:
    found: Tensor = module.eval()(inputs)
    return found


def trained(model: LoadedModel, method: Lora, steps: int = 3) -> LoadedModel:
    seed_everything(0)
    adapted = method.apply(model, TrainingPlan(steps, 1.0))
    optimizer = build_optimizer(adapted, method, TrainConfig(), 1e-2)
    training_mode(adapted.module)
    given = batch(adapted)
    for step in range(steps):
        torch.autograd.backward(adapted.loss(given).mean())
        optimizer.step()
        method.after_step(adapted, step)
        optimizer.zero_grad()
    return adapted


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_stays_merged_agrees_and_the_adapter_opens_in_peft(
    family: str, channels_last: bool, tmp_path: Path
) -> None:
    from peft import PeftModel

    model = lived_in(family)
    base = copy.deepcopy(model.module)
    if channels_last:
        model.module.to(memory_format=torch.channels_last)
    kept = {name: value.clone() for name, value in model.module.state_dict().items()}
    adapted: Any = trained(model, Lora(rank=4))

    for name, value in adapted.module.get_base_model().state_dict().items():
        name = name.replace(".base_layer", "").replace(".original_module", "")
        if "lora_" not in name and "modules_to_save" not in name:
            assert torch.equal(value, kept[name]), name  # weights, and statistics of norms
    moved = [name for name, value in adapted.module.named_parameters() if "lora_B" in name and value.abs().sum() > 0]
    assert len(moved) == len(model.adapter_targets)

    inputs = model._inputs(batch(model))
    unmerged = logits(adapted.module, inputs)
    assert (unmerged - logits(base, inputs)).abs().max() > 1e-2
    adapted.save(tmp_path)
    torch.testing.assert_close(logits(adapted.module, inputs), unmerged, atol=0, rtol=0)  # saving changes nothing
    merged = Lora().reopen(loader(family), image_samples.load_request(saved=tmp_path))
    torch.testing.assert_close(logits(merged.module, inputs), unmerged, atol=1e-5, rtol=1e-5)
    alone = PeftModel.from_pretrained(base, str(tmp_path / ADAPTER))
    torch.testing.assert_close(logits(alone, inputs), unmerged, atol=1e-6, rtol=1e-6)
    small, whole = (
        (tmp_path / name).stat().st_size for name in (f"{ADAPTER}/adapter_model.safetensors", "model.safetensors")
    )
    assert small < whole / 2


def test_an_adapter_of_pretrained_weights_names_its_base(tmp_path: Path) -> None:
    model = lived_in("test_vit")
    model.provenance = Provenance("pretrained", "timm/test_vit.r160_in1k", "hub cache")
    Lora(rank=2).apply(model, TrainingPlan(1, 1.0)).save(tmp_path)
    config = json.loads((tmp_path / ADAPTER / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "timm/test_vit.r160_in1k"


@pytest.mark.parametrize("family", ["test_convnext", "test_efficientnet", "mobilenetv3_small_050"])
def test_depthwise_convolutions_are_never_adapted(family: str) -> None:
    model = lived_in(family)
    wrapped: Any = Lora(rank=2).apply(model, TrainingPlan(1, 1.0)).module
    layers = [layer.base_layer for layer in wrapped.modules() if hasattr(layer, "lora_A")]
    assert layers
    assert not [layer for layer in layers if isinstance(layer, nn.Conv2d) and layer.groups > 1]


@pytest.mark.parametrize(
    ("family", "targets", "message"),
    [
        (
            "test_convnext",
            ["conv_dw"],
            r"'conv_dw' matches stages.0.blocks.0.conv_dw, which is a depthwise convolution",
        ),
        ("test_convnext", ["fc1", "conv_dw"], "whose update could not be merged"),
        (
            "test_vit",
            ["attn.qkvv"],
            r"no module outside the head.\n    Did you mean 'attn.qkv'\? The family's default tar",
        ),
        ("test_vit", ["attn.qkv", "query"], "'query' matches no module"),
        ("test_vit", ["head"], "'head' matches no module outside the head"),
        ("test_vit", ["norm1"], "LayerNorm.* is not supported"),
        ("test_vit", [], "names no module to adapt"),
    ],
)
def test_targets_that_cannot_be_adapted(family: str, targets: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Lora(targets=targets).apply(lived_in(family), TrainingPlan(1, 1.0))
    assert all(problem.where == "method.targets" for problem in caught.value.problems)


class Standardised(nn.Conv2d):
    """Scales its weights in each pass, as timm's StdConv2d does."""

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight / self.weight.std(), self.bias)


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(3, 4, 3, padding=1)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.dilated = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.standardized = Standardised(4, 4, 3, padding=1)
        self.attention = nn.MultiheadAttention(4, 2)
        self.mix = nn.Linear(4, 4)
        self.fc = nn.Linear(4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.standardized(self.dilated(self.grouped(self.plain(inputs)))).mean((2, 3))
        used: Tensor = self.fc(nn.functional.linear(hidden, self.mix.weight))
        return used


def odd(*targets: str) -> LoadedModel:
    model = lived_in("test_resnet")
    model.module, model.heads, model.adapter_targets = Odd(), ("fc",), targets
    return model  # type: ignore[no-any-return]


def test_of_the_familys_own_targets_those_that_peft_gets_wrong_are_left_out() -> None:
    own = ("plain", "grouped", "dilated", "standardized", "attention.out_proj")
    assert choose_targets(odd(*own), None) == ["plain"]
    assert choose_targets(odd("plain"), None) == ["plain"]
    with pytest.raises(ConfigError, match="declares no modules to adapt"):
        choose_targets(odd("grouped"), None)
    for name, reason in (
        ("grouped", r"grouped convolution \(2 groups\)"),
        ("dilated", "dilation"),
        ("standardized", "is a Standardised, which recomputes its weights"),
        ("attention.out_proj", "torch's MultiheadAttention"),
    ):
        with pytest.raises(ConfigError, match=reason):
            choose_targets(odd("plain"), [name])


def test_a_module_that_the_network_never_calls_is_refused_after_the_first_step() -> None:
    """Its weight is used, but in a way that passes the update by: it would be saved, and do nothing."""
    model = Lora(rank=2).apply(odd("plain", "mix"), TrainingPlan(1, 1.0))
    torch.autograd.backward(model.module(torch.ones(2, 3, 8, 8)).sum())
    with pytest.raises(ConfigError, match=r"never calls mix, .*\n    method.targets=\[plain\]"):
        refuse_unused(model.module.named_parameters())


def test_a_head_whose_name_ends_other_names_is_refused() -> None:
    """peft would train those whole, and they would neither stay nor be saved as the report says."""
    model = odd("plain")
    model.module.add_module("other_fc", nn.Linear(4, 4))
    with pytest.raises(ConfigError, match="would also train all of other_fc"):
        Lora(rank=2).apply(model, TrainingPlan(1, 1.0))


def test_an_adapted_model_is_the_inner_one_in_all_else() -> None:
    inner = lived_in("test_resnet", "light")
    adapted: Any = Lora(rank=2).apply(inner, TrainingPlan(1, 1.0))
    for name in ("heads", "adapter_targets", "layers", "provenance", "defaults", "findings", "augmented"):
        assert getattr(adapted, name) == getattr(inner, name), name
    assert adapted.augmented
    adapted.thresholds = (0.1, 0.2, 0.3)
    assert inner.thresholds == adapted.thresholds == (0.1, 0.2, 0.3)
    assert isinstance(adapted, SupportsPreview)
    assert adapted.preview(EXAMPLES, adapted.prepare(EXAMPLES, True), 0).size[0] > 100
    assert not isinstance(adapted, SupportsFeatures)
    assert not hasattr(adapted, "use_fast_dropout")


def test_an_adapted_encoder_draws_no_picture_and_has_its_dropout() -> None:
    from core.testing.samples import sample_request

    tiny: dict[str, Any] = {"hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
    adapted = Lora(rank=2).apply(
        Encoder(init="scratch", architecture="bert", **tiny).load(sample_request()), TrainingPlan(1, 1.0)
    )
    assert not isinstance(adapted, SupportsPreview)
    assert hasattr(adapted, "use_fast_dropout")


def test_an_adapter_on_a_base_of_the_hub_names_it_as_the_hub_does(tmp_path: Path) -> None:
    from core.testing.samples import sample_request

    tiny: dict[str, Any] = {"hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
    model = Encoder(init="scratch", architecture="bert", **tiny).load(sample_request())
    model.provenance = Provenance("pretrained", "org/name", "hub cache", revision="abc")
    Lora(rank=2).apply(model, TrainingPlan(1, 1.0)).save(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("org/name", "abc")


def test_two_applications_with_one_seed_are_alike() -> None:
    found = []
    for _ in range(2):
        seed_everything(3)
        found.append(Lora(rank=2).apply(lived_in("test_convnext"), TrainingPlan(1, 1.0)).module.state_dict())
    assert list(found[0]) == list(found[1])
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])
