"""Decoders as a user meets them: padding on either side, saved and reopened, with and without notes.

Covers: plugins/text/backbones/pooling.py
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from decoder_samples import LABELS, TEXTS, batch, checkpoint, examples, load_request, opened, predict, small_llama
from output_specs import output

from core.contracts.model import TrainingPlan
from core.contracts.protocols import SupportsFeatures
from core.errors import WeightsError
from core.tasks.text import TextExample
from plugins.methods.lora import Lora
from plugins.methods.selective import Freeze
from plugins.text.backbones.decoders import DECODERS
from plugins.text.plugin import Decoder, Encoder

ROWS = examples()[:9]


@pytest.mark.parametrize("architecture", DECODERS)
def test_each_architecture(architecture: str, tmp_path: Path) -> None:
    model = Decoder(checkpoint=str(checkpoint(tmp_path / "base", architecture)), max_length=32).load(load_request())
    together = predict(model, ROWS)
    torch.testing.assert_close(torch.cat([predict(model, [row]) for row in ROWS]), together, atol=1e-6, rtol=0)

    given = batch(model, ROWS)
    assert isinstance(model, SupportsFeatures)
    with torch.no_grad():
        logits = model.module(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).logits
        torch.testing.assert_close(model.head(model.features(given)), logits)
        torch.testing.assert_close(on_the_left(model, given), logits, atol=1e-6, rtol=0)

    assert len(model.layers) == 1 + 2 + 1
    assert sorted(name for names in model.layers for name in names) == sorted(
        name for name, _ in model.module.named_parameters()
    )
    assert all(name.startswith("score.") for name in model.layers[-1])
    assert all(".0." not in name and ".1." not in name for name in model.layers[0])
    Freeze(layers=1).apply(model, TrainingPlan(1, 1.0))
    model.module.train()
    model.loss(given).mean().backward()
    assert {name for name, p in model.module.named_parameters() if p.grad is not None} == {
        name for names in model.layers[-2:] for name in names
    }
    model.module.zero_grad()

    model.save(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text(encoding="utf-8"))
    assert config["pad_token_id"] == model.tokenizer.pad_token_id
    assert (
        json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text(encoding="utf-8"))["padding_side"]
        == "right"
    )
    for size in (1, 4):
        torch.testing.assert_close(opened(tmp_path / "saved", ROWS, size), together, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        predict(Decoder().load(load_request(train=(), saved=tmp_path / "saved")), ROWS), together
    )

    adapted = Lora(rank=2).apply(model, TrainingPlan(1, 1.0))
    assert sum("lora_B" in name for name, _ in adapted.module.named_parameters()) == 2 * len(model.adapter_targets)
    adapted.loss(given).mean().backward()
    assert all(p.grad is not None for p in adapted.module.parameters() if p.requires_grad)


@pytest.mark.parametrize("architecture", ["arcee", "bloom", "gpt_neo"])
def test_a_decoder_without_notes(architecture: str, tmp_path: Path) -> None:
    """Its mask is kept, its blocks and its linear layers are found."""
    more: dict[str, Any] = {"attention_types": [[["global"], 2]]} if architecture == "gpt_neo" else {}
    base = checkpoint(tmp_path / "base", architecture, **more)
    model = Decoder(checkpoint=str(base), max_length=32).load(load_request())
    together = predict(model, ROWS)
    torch.testing.assert_close(torch.cat([predict(model, [row]) for row in ROWS]), together, atol=1e-6, rtol=0)
    model.save(tmp_path / "saved")
    torch.testing.assert_close(opened(tmp_path / "saved", ROWS), together, atol=1e-5, rtol=0)
    assert len(model.layers) == 1 + 2 + 1
    assert not isinstance(model, SupportsFeatures)
    adapted = Lora(rank=2).apply(model, TrainingPlan(1, 1.0))
    adapted.loss(batch(adapted, ROWS)).mean().backward()
    assert all(p.grad is not None for p in adapted.module.parameters() if p.requires_grad)


def test_a_decoder_with_another_type_of_head_is_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, "ctrl", n_embd=16, dff=32)
    with pytest.raises(WeightsError, match="CTRLForSequenceClassification has no head named score"):
        Decoder(checkpoint=str(folder), max_length=32).load(load_request())


def on_the_left(model: object, given: dict[str, torch.Tensor], extra: int = 3) -> torch.Tensor:
    """Logits of the same texts with all their padding, and more, on the left."""
    ids, mask = given["input_ids"], given["attention_mask"]
    width = ids.shape[1] + extra
    moved, seen = torch.full((len(ids), width), model.tokenizer.pad_token_id), torch.zeros(len(ids), width).long()  # type: ignore[attr-defined]
    for row, count in enumerate(mask.sum(dim=1).tolist()):
        moved[row, width - count :], seen[row, width - count :] = ids[row, :count], 1
    return model.module(input_ids=moved, attention_mask=seen).logits  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("config_class", ["PromptTuningConfig", "PrefixTuningConfig"])
@torch.no_grad()
def test_virtual_tokens_in_front(config_class: str) -> None:
    """Same example, different padding, same logits: transformers' own pooling would take padding for the last token."""
    import peft

    model = small_llama().load(load_request())
    model.module = peft.get_peft_model(
        model.module, getattr(peft, config_class)(task_type="SEQ_CLS", num_virtual_tokens=4)
    )
    together = predict(model, ROWS)
    torch.testing.assert_close(torch.cat([predict(model, [row]) for row in ROWS]), together, atol=1e-6, rtol=0)
    logits = on_the_left(model, batch(model, ROWS))
    torch.testing.assert_close(logits.softmax(dim=-1), together, atol=1e-6, rtol=0)
    assert together.std(dim=0).min() > 1e-5  # not all the same


@pytest.mark.parametrize("with_mask", [True, False])
@torch.no_grad()
def test_embeddings_in_place_of_ids(with_mask: bool) -> None:
    model = small_llama().load(load_request())
    given = batch(model, ROWS[:1])
    model.module.eval()
    inputs = {"inputs_embeds": model.module.get_input_embeddings()(given["input_ids"])}
    mask = {"attention_mask": given["attention_mask"]} if with_mask else {}
    logits = model.module(**inputs, **mask).logits
    torch.testing.assert_close(logits.softmax(dim=-1), predict(model, ROWS[:1]))


@pytest.mark.parametrize("from_scratch", [True, False])
def test_pairs_have_a_sign_between_them(from_scratch: bool, tmp_path: Path) -> None:
    rows = [replace(row, pair=TEXTS[-1 - i]) for i, row in enumerate(examples())]
    loader = small_llama() if from_scratch else Decoder(checkpoint=str(checkpoint(tmp_path, "gpt2")), max_length=64)
    model = loader.load(load_request(train=rows))
    together = predict(model, rows[:6])
    split_elsewhere = [replace(row, text=row.text + row.pair[:3], pair=row.pair[3:]) for row in rows[:6] if row.pair]
    assert not torch.allclose(predict(model, split_elsewhere), together, atol=1e-5)
    torch.testing.assert_close(torch.cat([predict(model, [row]) for row in rows[:6]]), together, atol=1e-6, rtol=0)
    model.save(tmp_path / "saved")
    torch.testing.assert_close(opened(tmp_path / "saved", rows[:6]), together, atol=1e-5, rtol=0)
    again = Decoder().load(load_request(train=(), saved=tmp_path / "saved"))
    torch.testing.assert_close(predict(again, rows[:6]), together)
    alone = [replace(row, pair=None) for row in rows[:6]]
    torch.testing.assert_close(predict(again, alone), predict(model, alone))


def test_multi(tmp_path: Path) -> None:
    model = small_llama().load(load_request("multi", class_weights=(1.0, 2.0, 3.0)))
    rows = examples("multi")[:5]
    assert model.loss(batch(model, rows)).shape == (5,)
    model.save(tmp_path)
    torch.testing.assert_close(opened(tmp_path, rows), predict(model, rows), atol=1e-5, rtol=0)


def test_regression_has_an_offset_that_is_saved(tmp_path: Path) -> None:
    model = small_llama().load(load_request("regression"))
    rows = examples("regression")[:5]
    values = predict(model, rows)
    assert (values - 119.5).abs().max() < 20  # near the mean of the training targets before any step
    model.save(tmp_path)
    again = Decoder().load(load_request("regression", train=(), saved=tmp_path))
    torch.testing.assert_close(predict(again, rows), values)
    offset = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["value_offset"]
    torch.testing.assert_close(opened(tmp_path, rows)[:, 0] + offset, values, atol=1e-4, rtol=0)


def test_an_empty_text_is_one_token(tmp_path: Path) -> None:
    model = Decoder(checkpoint=str(checkpoint(tmp_path, "gpt2")), max_length=32).load(load_request())
    rows = [TextExample("", 0), *ROWS[:3], TextExample("", 1)]
    assert model.prepare(rows, True).lengths[0] == 1
    together = predict(model, rows)
    assert torch.isfinite(together).all()
    torch.testing.assert_close(predict(model, rows[:1]), together[:1], atol=1e-6, rtol=0)


def test_dropout_of_attention_stays_causal() -> None:
    """With dropout drawn the fast way, what comes after a token still does not change it."""
    model = small_llama(dropout=0.5).load(load_request())
    model.use_fast_dropout()
    model.module.train()
    ids = batch(model, ROWS[:1])["input_ids"]
    hidden = []
    for last in (5, 6):
        given = ids.clone()
        given[:, -1] = last
        torch.manual_seed(1)
        hidden.append(model.module.model(input_ids=given).last_hidden_state)
    assert torch.equal(hidden[0][:, :-1], hidden[1][:, :-1])
    assert not torch.equal(hidden[0][:, -1], hidden[1][:, -1])


def test_each_type_of_checkpoint_opens_with_its_own_component(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "gpt2", "gpt2")
    with pytest.raises(WeightsError, match=r"contains a gpt2 model, which is not a text encoder.*\n?.*model=decoder"):
        Encoder(checkpoint=str(folder), max_length=32).load(load_request())
    sizes = {"hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
    Encoder(init="scratch", architecture="bert", **sizes).load(load_request()).save(tmp_path / "bert")
    with pytest.raises(WeightsError, match="contains a bert model, which is not a text decoder"):
        Decoder(checkpoint=str(tmp_path / "bert"), max_length=32).load(load_request())


def test_nothing_to_pad_with(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, "gpt2")
    path = folder / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace("<|endoftext|>", "<end>"), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}', encoding="utf-8")
    with pytest.raises(WeightsError, match="no padding token"):
        Decoder(checkpoint=str(folder), max_length=32).load(load_request())


def test_labels_of_another_task_start_a_new_head(tmp_path: Path) -> None:
    small_llama().load(load_request()).save(tmp_path)
    same = Decoder(checkpoint=str(tmp_path), max_length=32).load(load_request(seed=1)).module
    other = (
        Decoder(checkpoint=str(tmp_path), max_length=32)
        .load(replace(load_request(seed=1), output=output(labels="xyz")))
        .module
    )
    assert torch.equal(same.model.embed_tokens.weight, other.model.embed_tokens.weight)
    assert not torch.equal(same.score.weight, other.score.weight)
    assert tuple(other.config.id2label.values()) == ("x", "y", "z")
    assert tuple(same.config.id2label.values()) == LABELS
