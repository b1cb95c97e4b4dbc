"""From options to a classifier: from scratch, from a folder, and every way in which that can fail.

Covers: plugins/images/architecture.py, plugins/images/input_size.py, plugins/images/options.py,
plugins/images/plugin.py
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import vector_target
from image_samples import LABELS, examples, files, load_request
from output_specs import output
from safetensors.torch import save_file

from core.contracts.components import Metric, RunConfig
from core.contracts.model import LoadRequest
from core.contracts.protocols import SupportsPreview
from core.contracts.train_config import TrainConfig
from core.errors import ConfigError, WeightsError
from core.inference.predictor import Predictor
from core.runs.run import run
from core.tasks.task import Task
from plugins.data.adapters.images import ImageFolder
from plugins.images.loading import load_image_model
from plugins.images.plugin import Timm
from plugins.methods.selective import Full

TINY = {"init": "scratch", "scratch": "test_resnet", "image_size": 32}


def saved_by_timm(folder: Path, name: str = "test_resnet", classes: int = 7, **more: Any) -> Path:
    """A checkpoint as timm saves it."""
    torch.manual_seed(1)
    model = timm.create_model(name, pretrained=False, num_classes=classes, **more)
    timm.models.save_for_hf(model, folder, model_args=more, safe_serialization=True)
    return folder


@pytest.mark.parametrize(("short", "side"), [(8, 32), (32, 32), (33, 64), (100, 128), (700, 128)])
def test_from_scratch_the_input_size_follows_the_images(short: int, side: int) -> None:
    model = load_image_model(Timm(init="scratch", scratch="test_resnet"), load_request(examples(3, (short + 5, short))))
    assert model.side == side
    (finding,) = model.findings
    assert f"{side}×{side}" in finding.message
    assert f"{short} pixels" in finding.message
    assert "model.image_size" in finding.message


def test_a_size_that_was_asked_for_is_taken_without_a_word() -> None:
    model = load_image_model(Timm(**TINY), load_request(examples(3)))
    assert model.side == 32
    assert not model.findings


def test_a_pretrained_convolution_reads_small_images_enlarged(tmp_path: Path) -> None:
    folder = saved_by_timm(tmp_path / "m", "resnet10t")
    assert load_image_model(Timm(checkpoint=str(folder)), load_request(examples(3, (20, 20)))).side == 128
    assert load_image_model(Timm(checkpoint=str(folder)), load_request(examples(3, (90, 90)))).side == 176
    model = load_image_model(Timm(checkpoint=str(folder), image_size=64), load_request(examples(3)))
    assert model.side == 64
    assert model.provenance.init == "pretrained"


def test_a_transformer_keeps_the_size_it_was_made_for_unless_another_is_asked_for(tmp_path: Path) -> None:
    folder = saved_by_timm(tmp_path / "m", "vit_tiny_patch16_224", embed_dim=32, depth=1, num_heads=2)
    assert load_image_model(Timm(checkpoint=str(folder)), load_request(examples(3))).side == 224
    model: Any = load_image_model(Timm(checkpoint=str(folder), image_size=64), load_request(examples(3)))
    assert model.side == 64
    assert model.module.pos_embed.shape[1] == 1 + 16
    model.save(tmp_path / "again")
    again = timm.create_model(f"local-dir:{tmp_path / 'again'}", pretrained=True)
    torch.testing.assert_close(again.pos_embed, model.module.pos_embed)


def test_the_backbone_is_the_checkpoints_and_the_head_is_fresh(tmp_path: Path) -> None:
    folder = saved_by_timm(tmp_path / "m", classes=3)  # as many labels as the task has, but others
    known = timm.create_model(f"local-dir:{folder}", pretrained=True)
    model: Any = load_image_model(Timm(checkpoint=str(folder), image_size=32), load_request(examples(3)))
    torch.testing.assert_close(model.module.conv1[0].weight, known.conv1[0].weight)
    assert not torch.equal(model.module.fc.weight, known.fc.weight)


def test_a_head_for_the_same_labels_is_kept(tmp_path: Path) -> None:
    first: Any = load_image_model(Timm(**TINY), load_request(examples(3)))
    with torch.no_grad():
        first.module.fc.bias.fill_(3.0)
    first.save(tmp_path / "m")
    again: Any = load_image_model(Timm(checkpoint=str(tmp_path / "m")), load_request(examples(3)))
    assert again.module.fc.bias.tolist() == [3.0] * 3


def test_one_seed_gives_the_same_weights_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    one, other, third = (load_image_model(Timm(**TINY), load_request(examples(3), seed=seed)) for seed in (4, 4, 5))
    assert torch.equal(before, torch.get_rng_state())
    weights = [each.module.state_dict()["fc.weight"] for each in (one, other, third)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_epochs_from_scratch_go_by_the_number_of_examples() -> None:
    def epochs(n: int) -> float:
        few = examples(3)
        return load_image_model(Timm(**TINY, scratch_steps=400), load_request(few * n)).defaults["epochs"]

    assert epochs(400) == round(400 * 32 / 1200)
    assert epochs(4) == 100
    assert epochs(3000) == 5


def test_misspelt_names_are_met_with_the_nearest() -> None:
    with pytest.raises(WeightsError, match="resnet18"):
        load_image_model(Timm(init="scratch", variant="resnet81"), load_request(examples(3)))


def test_a_size_that_the_network_cannot_read() -> None:
    with pytest.raises((ConfigError, WeightsError), match=r"33"):
        load_image_model(Timm(init="scratch", scratch="test_vit", image_size=33), load_request(examples(3)))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "config.json"),
        ({"architectures": ["BertModel"]}, "BertModel"),
        ({"architecture": "no_such_model", "pretrained_cfg": {}}, "no_such_model"),
    ],
)
def test_folders_that_are_no_models_of_timm(tmp_path: Path, config: Any, message: str) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors")
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=message):
        load_image_model(Timm(checkpoint=str(tmp_path)), load_request(examples(3)))


def test_weights_that_do_not_fit_their_config(tmp_path: Path) -> None:
    folder = saved_by_timm(tmp_path / "m")
    save_file({"fc.weight": torch.zeros(2, 2)}, folder / "model.safetensors")
    with pytest.raises(WeightsError, match="are missing, such as conv1"):
        load_image_model(Timm(checkpoint=str(folder)), load_request(examples(3)))


def test_a_truncated_weights_file(tmp_path: Path) -> None:
    folder = saved_by_timm(tmp_path / "m")
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(WeightsError):
        load_image_model(Timm(checkpoint=str(folder)), load_request(examples(3)))


@pytest.mark.parametrize(
    "name", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet", "mobilenetv3_small_050"]
)
def test_what_is_declared_of_each_family(name: str) -> None:
    model: Any = load_image_model(Timm(init="scratch", scratch=name, image_size=160), load_request(examples(3)))
    names = [name for name, _ in model.module.named_parameters()]
    assert sorted(each for layer in model.layers for each in layer) == sorted(names)
    assert all(each.startswith(model.heads) for each in model.layers[-1])
    assert len(model.layers) > 3
    modules = dict(model.module.named_modules())
    assert model.adapter_targets
    for target in model.adapter_targets:
        assert getattr(modules[target], "groups", 1) == 1
        assert not target.startswith(model.heads)


def test_fused_attention_projections_can_be_adapted() -> None:
    model = load_image_model(Timm(init="scratch", scratch="test_vit", image_size=160), load_request(examples(3)))
    assert any(each.endswith("attn.qkv") for each in model.adapter_targets)
    assert not any("patch_embed" in each for each in model.adapter_targets)


def test_labels_are_saved(tmp_path: Path) -> None:
    model = load_image_model(Timm(**TINY), load_request(examples(3)))
    model.save(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["label_names"] == list(LABELS)


@pytest.mark.parametrize(
    ("attention", "precision", "fused"),
    [("auto", "bf16", False), ("auto", "fp32", True), ("fused", "bf16", True), ("plain", "fp32", False)],
)
def test_attention_is_the_faster_way_and_gives_the_same(attention: str, precision: str, fused: bool) -> None:
    options = {"init": "scratch", "scratch": "test_vit", "image_size": 160}
    model: Any = load_image_model(Timm(**options, attention=attention), load_request(examples(3), precision=precision))
    assert {layer.fused_attn for layer in model.module.modules() if hasattr(layer, "fused_attn")} == {fused}
    usual: Any = load_image_model(Timm(**options), load_request(examples(3)))
    images = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model.module(images), usual.module(images), atol=1e-5, rtol=1e-4)


def test_loading_leaves_torch_and_timm_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from timm.models import _builder

    seen: list[Any] = []
    load_state_dict, load_pretrained = torch.nn.Module.load_state_dict, _builder.load_pretrained

    def watched(*given: Any, **named: Any) -> Any:
        seen.append(torch.nn.Module.load_state_dict)
        return load_pretrained(*given, **named)

    monkeypatch.setattr(_builder, "load_pretrained", watched)
    load_image_model(Timm(checkpoint=str(saved_by_timm(tmp_path / "m"))), load_request(examples(3)))
    assert seen == [load_state_dict]
    assert _builder.load_pretrained is watched


@pytest.mark.usefixtures("vectors")
def test_a_head_without_known_labels_starts_anew(tmp_path: Path) -> None:
    folder = saved_by_timm(tmp_path / "m", classes=2)
    request = LoadRequest(output("vec", type="image-classification"), examples(3, targets=[(0.0, 1.0)] * 3))
    stored = timm.create_model(f"local-dir:{folder}", pretrained=True)
    new = load_image_model(Timm(checkpoint=str(folder), image_size=32), request).module
    assert not torch.equal(new.get_classifier().weight, stored.get_classifier().weight)
    assert torch.equal(next(new.parameters()), next(stored.parameters()))


@pytest.mark.usefixtures("vectors")
@pytest.mark.parametrize(("target", "labels"), [("vec", ()), ("named_vec", vector_target.NAMES)])
def test_a_run_with_a_plugins_target_type(target: str, labels: tuple[str, ...], tmp_path: Path) -> None:
    made = [replace(each, target=(1.0, 0.0)) for each in files(tmp_path, 45)]
    table = tmp_path / "vectors.csv"
    table.write_text("image,label\n" + "".join(f"{each.place},{row % 3} {row % 5}\n" for row, each in enumerate(made)))
    task = Task(type="image-classification", target=target, primary="distance")
    train = TrainConfig(
        max_steps=4, batch_size=8, learning_rate=1e-3, precision="fp32", device="cpu", bootstrap_resamples=20
    )
    metrics: dict[str, Metric] = {"distance": vector_target.Distance()}
    config = RunConfig(task, ImageFolder(path=str(table)), Timm(**TINY, augment="strong"), Full(), metrics, train)
    run(config, tmp_path / "run", quiet=True)
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["self_test"]["passed"]
    assert report["scores"]["baselines"] == {}
    saved = json.loads((tmp_path / "run" / "model" / "config.json").read_text(encoding="utf-8"))
    assert saved["num_classes"] == 2
    assert saved["label_names"] == ["output_0", "output_1"]
    assert saved["graft"] == {"target": target, "labels": list(labels)}
    predictor = Predictor.open(tmp_path / "run")
    assert predictor.raw(made[:3]).shape == (3, 2)
    (written,) = predictor.predict(made[:1])
    assert len(written["vec"]) == 2
    model = predictor.model
    assert isinstance(model, SupportsPreview)
    assert model.preview(made, model.prepare(made, train=True), 0).width > 0
