"""Rows as Arrow tables: small ones in memory, large ones in the cache, fetched in any order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from core.data import files
from core.data.files import row_store
from core.errors import DataError

SCHEMA = pa.schema([("number", pa.int64()), ("words", pa.list_(pa.string()))])
ROWS = [(number, ["w"] * (number % 3)) for number in range(20)]


def test_rows_of_any_schema_are_fetched_in_any_order(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path))
    monkeypatch.setattr(row_store, "IN_MEMORY_BYTES", 10)
    monkeypatch.setattr(row_store, "_BATCH", 7)
    table = files.store(iter(ROWS), SCHEMA, 11, "abc", "v1")
    assert files.Picker(table, ("number", "words")).pick(np.array([19, 0, 7, 7])) == [ROWS[at] for at in (19, 0, 7, 7)]
    assert [each.name for each in (tmp_path / "tables").iterdir()] == ["abc-v1.arrow"]
    again = files.store(iter(()), SCHEMA, 11, "abc", "v1")
    assert files.content_digest(again) == files.content_digest(table)


def test_small_sources_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path))
    assert files.store(iter(ROWS), SCHEMA, 11, "abc", "v1").num_rows == 20
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_one_clear_message(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(row_store, "IN_MEMORY_BYTES", 0)
    with pytest.raises(DataError, match="the cache cannot be written"):
        files.store(iter(ROWS), SCHEMA, 1, "abc", "v1")
