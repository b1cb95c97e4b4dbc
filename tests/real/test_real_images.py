"""Real photographs, as they are found in the wild. Needs GRAFT_TEST_DATA; skipped where it is unset."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from core.contracts import Task
from plugins.data.plugin import ImageFolder

DATA = Path(os.environ.get("GRAFT_TEST_DATA", "")).absolute()
pytestmark = pytest.mark.skipif(
    "GRAFT_TEST_DATA" not in os.environ, reason="GRAFT_TEST_DATA names no folder of real data"
)


def test_sign_language_digits_are_read_from_a_folder_a_class() -> None:
    task = Task(kind="image-classification")
    splits = ImageFolder(path=str(DATA / "sign_digits")).load(task, 0)
    assert splits.labels == tuple("0123456789")
    assert [len(each) for each in (splits.train, splits.val, splits.test)] == [560, 80, 160]
    assert {each.size for each in splits.train} == {(100, 100)}
    started = time.monotonic()
    again = ImageFolder(path=str(DATA / "sign_digits")).load(task, 0)
    assert time.monotonic() - started < 2
    assert again.fingerprint == splits.fingerprint
