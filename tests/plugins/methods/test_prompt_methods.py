"""Virtual tokens: their place and start values, the room they leave, what is saved, and why they do not merge.

Covers: plugins/methods/virtual_tokens.py
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import graft_toy
import pytest
import torch

from core.config.validation import check
from core.contracts.model import TrainingPlan
from core.contracts.protocols import SupportsVirtualTokens
from core.errors import ConfigError
from core.runtime.determinism import seed_everything
from core.tasks.text import TextExample
from core.testing.methods import check_method
from core.testing.running import predicted, to_reopen, train_on
from core.testing.samples import sample_request
from plugins.methods.prompt_methods import Prefix, Prompt
from plugins.text.options import ARCHITECTURES
from plugins.text.plugin import Decoder, Encoder

TINY: dict[str, Any] = {"hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}


def encoder(architecture: str = "bert", **options: Any) -> Encoder:
    return Encoder(init="scratch", architecture=architecture, **{**TINY, **options})


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_encoder_learns_from_virtual_tokens(architecture: str, tmp_path: Path) -> None:
    check_method(Prompt(tokens=4), encoder(architecture), tmp_path)


def test_a_prefix_with_gradient_checkpointing_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    made = graft_toy.config(model=Decoder(init="scratch", architecture="llama"), method=Prefix())
    check(made)
    with pytest.raises(ConfigError, match="recomputes layers without the keys and values"):
        check(replace(made, train=replace(made.train, gradient_checkpointing=True)))


def test_tokens_start_as_words_of_the_vocabulary_drawn_by_the_seed() -> None:
    started = []
    for seed in (0, 0, 1):
        model = encoder().load(sample_request())
        words = copy.deepcopy(model.module.get_input_embeddings().weight)  # type: ignore[operator]
        wrapped: Any = Prompt(tokens=4).apply(model, TrainingPlan(1, 1.0, seed=seed)).module
        started.append(wrapped.prompt_encoder["default"].embedding.weight)
        assert all(any(torch.equal(token, word) for word in words) for token in started[-1])
    assert torch.equal(started[0], started[1])
    assert not torch.equal(started[0], started[2])


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_texts_leave_room_and_long_ones_are_read_alike_after_opening_again(architecture: str, tmp_path: Path) -> None:
    """RoBERTa's positions begin after the padding token's, so two of its table are for no token."""
    loader, method, request = encoder(architecture), Prompt(tokens=20), sample_request()
    model: Any = loader.load(request)
    assert isinstance(model, SupportsVirtualTokens)
    positions = model.max_length
    seed_everything(0)
    adapted: Any = method.apply(model, TrainingPlan(3, 1.0))
    assert adapted.inner.max_length == positions - 20
    long = [replace(each, text=f"{each.text} storm" * 30) for each in request.train[:6]]
    train_on(adapted, method, long, 3, 1e-2)
    assert adapted.findings[-1].code == "truncated"
    before = predicted(adapted, long)
    adapted.save(tmp_path)
    assert abs(predicted(method.reopen(loader, to_reopen(request, tmp_path)), long) - before).max() < 1e-5


def test_more_tokens_than_the_model_can_read_are_refused() -> None:
    with pytest.raises(ConfigError, match="30 virtual tokens leave no room for texts: the model reads 32 in all"):
        Prompt(tokens=30).apply(encoder().load(sample_request()), TrainingPlan(1, 1.0))


def test_a_model_that_keeps_no_places_is_refused() -> None:
    import image_samples

    from plugins.images.plugin import Timm

    model = Timm(init="scratch", scratch="test_vit", image_size=32).load(
        image_samples.load_request(image_samples.examples(12))
    )
    with pytest.raises(ConfigError, match="cannot reserve positions for virtual tokens"):
        Prompt().apply(model, TrainingPlan(1, 1.0))


def test_only_the_tokens_and_the_head_are_saved_beside_the_base(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    Prompt(tokens=4).apply(encoder().load(sample_request()), TrainingPlan(1, 1.0)).save(tmp_path)
    saved = load_file(tmp_path / "adapter_model.safetensors")
    assert saved["prompt_embeddings"].shape == (4, 16)
    assert {name.partition(".")[0] for name in saved} == {"prompt_embeddings", "base_model"}
    assert all("classifier" in name or "pooler" in name for name in saved if name.startswith("base_model"))
    assert json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))["task_type"] == "SEQ_CLS"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_encoders_take_no_prefix(architecture: str) -> None:
    """What `core.capabilities` says of them is so: no class of transformers lets one through any more."""
    model = encoder(architecture).load(sample_request())
    with pytest.raises((ConfigError, ValueError, TypeError)):
        predicted(Prefix(tokens=4).apply(model, TrainingPlan(1, 1.0)), [TextExample("a storm")])


def test_neither_can_be_merged_and_the_reason_is_given() -> None:
    assert "not changes of its weights" in Prompt.unmergeable
    assert "changes no weights" in Prefix.unmergeable
