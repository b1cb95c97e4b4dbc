"""Encoders as a user meets them: trained, saved and reopened they give the same answers.

Covers: plugins/text/network_model.py, plugins/text/target_scaling.py
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from output_specs import output

from core.contracts.model import LoadRequest, TrainingPlan
from core.contracts.protocols import SupportsFeatures
from core.tasks.text import TextExample
from plugins.methods.lora import Lora
from plugins.methods.selective import Head
from plugins.text.options import ARCHITECTURES
from plugins.text.plugin import Encoder

LABELS = ("bad", "good", "so so")
SENTENCE = "the hammer broke after one day of light use and nobody answered my letters about it"
TEXTS = [" ".join(SENTENCE.split()[i % 7 : i % 7 + 1 + i % 9]) for i in range(40)]


def examples(target: str) -> list[TextExample]:
    targets = {
        "single": lambda i: i % 3,
        "multi": lambda i: tuple(sorted({i % 3, i % 2})),
        "regression": lambda i: 100.0 + i,
    }
    return [TextExample(text, targets[target](i), place=f"t.csv:{i + 1}") for i, text in enumerate(TEXTS)]


def load_request(target: str = "single", **more: Any) -> LoadRequest:
    labels = () if target == "regression" else LABELS
    return LoadRequest(output(target, labels), more.pop("train", examples(target)), "f", **more)


def tiny(architecture: str = "bert", **more: Any) -> Encoder:
    sizes = {"hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
    return Encoder(init="scratch", architecture=architecture, **{**sizes, **more})


def batch(model: Any, rows: list[TextExample]) -> dict[str, torch.Tensor]:
    prepared = model.prepare(rows, False)
    return model.collate([prepared.fetch(i, 0, None) for i in range(len(rows))])


@torch.no_grad()
def predict(model: Any, rows: list[TextExample]) -> torch.Tensor:
    model.module.eval()
    return model.predict(batch(model, rows))


def opened(directory: Path, rows: list[TextExample]) -> torch.Tensor:
    """Probabilities as transformers' own pipeline gives them, in the order of LABELS."""
    from transformers import pipeline

    pipe = pipeline("text-classification", model=str(directory), top_k=None)
    inputs = [{"text": row.text, "text_pair": row.pair} if row.pair else row.text for row in rows]
    given = [pipe(each, truncation=True) for each in inputs]
    scores = [{each["label"]: each["score"] for each in (one[0] if isinstance(one[0], list) else one)} for one in given]
    return torch.tensor(
        [[score[label] for label in LABELS if label in score] or list(score.values()) for score in scores]
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_architecture(architecture: str, tmp_path: Path) -> None:
    model = tiny(architecture).load(load_request())
    rows = examples("single")[:9]
    together = predict(model, rows)

    alone = torch.cat([predict(model, [row]) for row in rows])
    torch.testing.assert_close(alone, together, atol=1e-6, rtol=0)  # padding changes nothing

    assert isinstance(model, SupportsFeatures)
    given = batch(model, rows)
    with torch.no_grad():
        logits = model.module(**{k: v for k, v in given.items() if k != "targets"}).logits
        torch.testing.assert_close(model.head(model.features(given)), logits)

    model.save(tmp_path)
    assert not list(tmp_path.glob("*.bin"))
    torch.testing.assert_close(opened(tmp_path, rows), together, atol=1e-5, rtol=0)
    torch.testing.assert_close(predict(Encoder().load(load_request(train=(), saved=tmp_path)), rows), together)

    model.module.train()
    model.loss(given).mean().backward()
    assert all(p.grad is not None for p in model.module.parameters())
    for name in model.heads:
        model.module.get_submodule(name)
    assert any(name.endswith(model.adapter_targets) for name, _ in model.module.named_modules())


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_pairs(architecture: str, tmp_path: Path) -> None:
    rows = [replace(row, pair=TEXTS[-1 - i]) for i, row in enumerate(examples("single"))]
    model = tiny(architecture).load(load_request(train=rows))
    given = batch(model, rows[:6])
    assert ("token_type_ids" in given) == (architecture == "bert")
    together = predict(model, rows[:6])
    torch.testing.assert_close(torch.cat([predict(model, [row]) for row in rows[:6]]), together, atol=1e-6, rtol=0)
    model.save(tmp_path)
    torch.testing.assert_close(opened(tmp_path, rows[:6]), together, atol=1e-5, rtol=0)


def test_multi(tmp_path: Path) -> None:
    model = tiny().load(load_request("multi", class_weights=(1.0, 2.0, 3.0)))
    rows = examples("multi")[:5]
    assert batch(model, rows)["targets"].shape == (5, 3)
    assert model.loss(batch(model, rows)).shape == (5,)
    model.save(tmp_path)
    torch.testing.assert_close(opened(tmp_path, rows), predict(model, rows), atol=1e-5, rtol=0)


def test_regression_learns_and_saves_values_in_their_own_unit(tmp_path: Path) -> None:
    model = tiny("roberta").load(load_request("regression"))
    rows = examples("regression")[:5]
    values = predict(model, rows)
    assert values.shape == (5,)
    assert (values - 119.5).abs().max() < 20  # near the mean of the training targets before any step
    weight = model.module.classifier.out_proj.weight.clone()
    model.save(tmp_path)
    assert torch.equal(model.module.classifier.out_proj.weight, weight)
    torch.testing.assert_close(opened(tmp_path, rows)[:, 0], values, atol=1e-4, rtol=0)
    torch.testing.assert_close(predict(Encoder().load(load_request("regression", saved=tmp_path)), rows), values)


def test_regression_under_peft(tmp_path: Path) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model

    model = tiny().load(load_request("regression"))
    rows = examples("regression")[:5]
    for part in (model.module, model.tokenizer):
        part.save_pretrained(str(tmp_path / "base"))
    config = LoraConfig(
        task_type="SEQ_CLS", target_modules=list(model.adapter_targets), modules_to_save=list(model.heads)
    )
    model.module = get_peft_model(model.module, config)
    with torch.no_grad():
        model.module.base_model.model.classifier.modules_to_save.default.weight.add_(0.1)
    values = predict(model, rows)
    model.save(tmp_path)
    again = Encoder().load(load_request("regression", saved=tmp_path / "base"))
    again.module = PeftModel.from_pretrained(again.module, str(tmp_path))
    torch.testing.assert_close(predict(again, rows), values)


def test_truncation_is_counted_and_named() -> None:
    model = tiny().load(load_request())
    rows = [*examples("single"), TextExample("hammer " * 25_000, 0, place="t.csv:99"), TextExample("", 0)]
    prepared = model.prepare(rows, True)
    assert prepared.lengths[-2] == 32
    assert prepared.lengths[-1] == 2  # the special tokens alone
    (finding,) = model.findings
    assert (finding.code, finding.count, finding.places) == ("truncated", 1, ("t.csv:99",))
    assert torch.isfinite(predict(model, rows[-2:])).all()


def test_same_seed_same_weights_and_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, second, other = (tiny().load(load_request(seed=seed)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    weights = [model.module.classifier.weight for model in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_same_texts_same_tokenizer(architecture: str) -> None:
    first, second = (tiny(architecture, vocabulary=330).load(load_request()).tokenizer for _ in range(2))
    assert first.get_vocab() == second.get_vocab()
    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()
    assert first.decode(first("the hammer").input_ids, skip_special_tokens=True).strip() == "the hammer"


def test_thresholds_are_saved_opened_and_forgotten_for_another_task(tmp_path: Path) -> None:
    model = tiny().load(load_request("multi"))
    rows = examples("multi")[:6]
    model.thresholds = (0.125, 0.5, 0.7)
    model.save(tmp_path / "first")
    config = json.loads((tmp_path / "first" / "config.json").read_text(encoding="utf-8"))
    assert config["thresholds"] == dict(zip(LABELS, (0.125, 0.5, 0.7), strict=True))
    again = Encoder().load(load_request("multi", train=(), saved=tmp_path / "first"))
    assert again.thresholds == (0.125, 0.5, 0.7)
    torch.testing.assert_close(opened(tmp_path / "first", rows), predict(again, rows), atol=1e-5, rtol=0)
    other = Encoder(checkpoint=str(tmp_path / "first"), max_length=32).load(load_request())
    assert other.thresholds is None
    other.save(tmp_path / "second")
    assert "thresholds" not in json.loads((tmp_path / "second" / "config.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("method", [Lora(rank=2), Head()])
def test_thresholds_are_saved_with_any_method(method: Any, tmp_path: Path) -> None:
    model = method.apply(tiny().load(load_request("multi")), TrainingPlan(1, 1))
    model.thresholds = (0.2, 0.3, 0.4)
    model.save(tmp_path)
    (path,) = (path for path in tmp_path.rglob("config.json"))
    assert list(json.loads(path.read_text(encoding="utf-8"))["thresholds"].values()) == [0.2, 0.3, 0.4]
    if method.name == "lora":
        again = method.reopen(Encoder(), load_request("multi", train=(), saved=tmp_path))
        assert again.thresholds == (0.2, 0.3, 0.4)


def test_the_saved_tokenizer_does_not_cut_or_pad_like_its_last_call(tmp_path: Path) -> None:
    model = tiny().load(load_request())
    model.save(tmp_path / "new")
    model.tokenizer([SENTENCE, "hammer"], truncation=True, max_length=7, stride=2, padding=True)
    model.save(tmp_path / "used")
    new, used = (json.loads((tmp_path / name / "tokenizer.json").read_bytes()) for name in ("new", "used"))
    assert (used["truncation"], used["padding"]) == (None, None)
    assert used == new
