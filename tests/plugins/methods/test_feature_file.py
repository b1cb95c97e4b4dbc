"""Features in rows that are too large for memory are read from a file, and training does not notice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from token_plugin import registered

from core.contracts.model import TrainingPlan
from core.errors import RunError
from core.testing.samples import sample_request
from plugins.methods.cached_features import FeatureModel
from plugins.methods.feature_file import FeatureFile
from plugins.methods.selective import Head
from plugins.text.token_classification.loader import TokenEncoder

SIZES = {"hidden_size": 16, "layers": 1, "attention_heads": 2, "vocabulary": 300, "max_length": 16}


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def prepared_batch(free: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, dict[str, torch.Tensor]]:
    """Return the model of `method=head`, and a batch of its training examples, with so many bytes of free memory."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    request = sample_request("token-classification", "tags")
    inner = TokenEncoder(init="scratch", architecture="bert", **SIZES).load(request)
    model = Head().apply(inner, TrainingPlan(1, 1.0))
    assert isinstance(model, FeatureModel)
    prepared = model.prepare(request.train, True)
    return model, model.collate([prepared.fetch(row, 0, None) for row in range(len(prepared))])


def test_features_that_take_too_much_memory_are_in_a_file_and_are_the_same(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, in_memory = prepared_batch(2**40, monkeypatch)
    assert not [each for each in small.findings if each.code == "features_on_disk"]
    large, on_disk = prepared_batch(100, monkeypatch)
    (finding,) = [each for each in large.findings if each.code == "features_on_disk"]
    assert f"more than half of the free memory, so they are in a temporary file in {cache}" in finding.message
    assert in_memory.keys() == on_disk.keys()
    for name, values in in_memory.items():
        torch.testing.assert_close(on_disk[name], values)


def test_arrays_come_back_in_the_order_of_their_examples(tmp_path: Path) -> None:
    file = FeatureFile(3, tmp_path)
    values = [np.full((k, 2), k, dtype=np.float32) for k in range(3)]
    file.add(np.array([2, 0]), [values[2], values[0]])
    file.add(np.array([1]), [values[1]])
    arrays = file.arrays()
    del file
    assert list(tmp_path.iterdir()) == [], "a crash leaves no file behind"
    for found, expected in zip(arrays, values, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="GRAFT_CACHE"):
        FeatureFile(1, tmp_path / "file" / "cache")
