"""Tokens of many texts are cached on disk, and equal those without a cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from output_specs import output

from core.contracts.model import LoadRequest
from core.tasks.text import TextExample
from plugins.text import tokenization
from plugins.text.plugin import Encoder

ROWS = [TextExample(f"text number {i} " + "word " * (i % 40), i % 2, place=f"f:{i}") for i in range(300)]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    sizes = {"hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
    return Encoder(init="scratch", architecture="bert", **sizes).load(LoadRequest(output(labels="ab"), ROWS, "f"))


def test_cached_tokens_are_the_same(model: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = model.prepare(ROWS, True)
    assert not (tmp_path / "cache").exists()
    monkeypatch.setattr(tokenization, "CACHED_FROM", 100)
    written, read = model.prepare(ROWS, True), model.prepare(ROWS, True)
    assert isinstance(read.flat, np.memmap)
    (entry,) = (tmp_path / "cache" / "tokens").iterdir()
    for cached in (written, read):
        for name in ("flat", "offsets", "seconds", "truncated", "targets", "lengths"):
            assert np.array_equal(getattr(plain, name), getattr(cached, name)), name
    assert len({finding.count for finding in model.findings}) == 1

    other = model.prepare([*ROWS[:-1], TextExample("another", 0)], True)
    assert len(list(entry.parent.iterdir())) == 2
    assert not np.array_equal(other.flat, plain.flat)

    (entry / "flat.int32").write_bytes(b"torn")
    assert np.array_equal(model.prepare(ROWS, True).flat, plain.flat)


def test_batches_are_padded_to_the_longest() -> None:
    items = [
        tokenization.TokenIds(np.array([5, 6, 7], dtype=np.int32), 2, 1.5),
        tokenization.TokenIds(np.array([8], dtype=np.int32), 1, 2.0),
    ]
    batch = tokenization.collate(items, pad_id=9, segments=True)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["token_type_ids"].tolist() == [[0, 0, 1], [0, 0, 0]]
    assert batch["targets"].tolist() == [1.5, 2.0]
    assert tokenization.collate(items, 9, False, multiple=8)["input_ids"].shape == (2, 8)
