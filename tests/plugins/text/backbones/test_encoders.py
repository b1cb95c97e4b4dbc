"""The layers of encoders: declared where Graft has notes, else found as the one list of blocks.

Covers: plugins/text/backbones/head_type.py, plugins/text/backbones/networks.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.contracts.model import LoadedModel, TrainingPlan
from core.errors import ConfigError
from core.testing.samples import sample_request
from plugins.methods.selective import Freeze
from plugins.text.backbones.encoders import block_list
from plugins.text.options import ARCHITECTURES
from plugins.text.plugin import Encoder

TINY = {"hidden_size": 16, "layers": 3, "attention_heads": 2, "vocabulary": 300, "max_length": 32}


def tiny(architecture: str) -> LoadedModel:
    return Encoder(init="scratch", architecture=architecture, **TINY).load(sample_request())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_embeddings_then_each_block_then_pooler_and_head(architecture: str) -> None:
    model = tiny(architecture)
    assert len(model.layers) == 1 + 3 + 1
    assert sorted(name for names in model.layers for name in names) == sorted(
        name for name, _ in model.module.named_parameters()
    )
    assert all("embeddings" in name for name in model.layers[0])
    for number, names in enumerate(model.layers[1:-1]):
        assert all(f".{number}." in name or "final_norm" in name for name in names)
    assert all(name.startswith((*model.heads, "bert.pooler")) for name in model.layers[-1])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_declared_blocks_are_the_ones_that_would_be_found(architecture: str) -> None:
    """What finds the blocks of unknown encoders is right where the answer is known."""
    from plugins.text.backbones.encoders import ARCHITECTURES as NOTES

    assert block_list(tiny(architecture).module) == NOTES[architecture].blocks


def as_other(model: Any, folder: Path, architecture: str) -> Path:
    """An encoder of a class without notes, saved with the tokenizer of another."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    config = AutoConfig.for_model(architecture, vocab_size=300, max_position_embeddings=64, **sizes)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


def test_an_encoder_without_notes_is_frozen_by_the_list_of_its_blocks(tmp_path: Path) -> None:
    folder = as_other(tiny("bert"), tmp_path, "electra")
    model = Encoder(checkpoint=str(folder), max_length=32).load(sample_request())
    assert [len(names) for names in model.layers] == [7, 16, 16, 16, 4]
    Freeze(layers=1).apply(model, TrainingPlan(1, 1.0))
    trains = {name.partition(".")[0] for name, p in model.module.named_parameters() if p.requires_grad}
    assert trains == {"electra", "classifier"}


def test_an_encoder_of_several_lists_declares_no_layers(tmp_path: Path) -> None:
    folder = as_other(tiny("bert"), tmp_path, "canine")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "canine"
    model = Encoder(checkpoint=str(folder), max_length=32).load(sample_request())
    assert model.layers == ()
    with pytest.raises(ConfigError, match="CanineForSequenceClassification does not declare which parameters"):
        Freeze().apply(model, TrainingPlan(1, 1.0))
