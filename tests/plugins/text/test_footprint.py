"""Sizes of text networks from their configurations: those of the network that is built, and of known checkpoints."""

from __future__ import annotations

import pytest

from plugins.text.footprint import KNOWN, footprint
from plugins.text.plugin import Decoder, Encoder

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("checkpoint", "millions"),
    [
        ("FacebookAI/roberta-base", 125),
        ("google-bert/bert-base-uncased", 110),
        ("distilbert/distilbert-base-uncased", 66),
        ("answerdotai/ModernBERT-base", 149),
    ],
)
def test_known_encoders_have_their_published_sizes(checkpoint: str, millions: int) -> None:
    shape = footprint(Encoder(checkpoint=checkpoint, init="pretrained"), 2)
    assert shape is not None
    assert shape.parameters + shape.head == pytest.approx(millions * MILLION, rel=0.02)
    assert shape.linear < shape.parameters


@pytest.mark.parametrize(("size", "billions"), [("3.2-1B", 1.236), ("3.2-3B", 3.213), ("3.1-8B", 7.505)])
def test_known_decoders_have_their_published_sizes(size: str, billions: float) -> None:
    shape = footprint(Decoder(checkpoint=f"meta-llama/Llama-{size}", init="pretrained"), 2)
    assert shape is not None
    assert shape.parameters == pytest.approx(billions * 1000 * MILLION, rel=0.02)


def test_a_revision_has_the_size_of_its_checkpoint() -> None:
    name = next(iter(KNOWN))
    assert footprint(Decoder(checkpoint=f"{name}@main"), 2) == footprint(Decoder(checkpoint=name), 2)


def test_an_unknown_checkpoint_has_no_sizes() -> None:
    assert footprint(Encoder(checkpoint="nobody/nowhere", init="pretrained"), 2) is None


def test_lengths_and_outputs_are_those_of_the_options() -> None:
    shape = footprint(Encoder(init="scratch", architecture="bert", max_length=48, hidden_size=64, layers=3), 5)
    assert shape is not None
    assert (shape.tokens, shape.width, shape.layers) == (48, 64, 3)
    assert shape.head >= 5 * 64
