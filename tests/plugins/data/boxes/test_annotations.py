"""Annotated images as rows: the digest, and objects that are invalid.

Covers: plugins/data/boxes/faults.py
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from plugins.data.boxes.annotations import Annotated, BoxRows, StatedObject
from plugins.data.boxes.faults import object_fault


def test_the_digest_does_not_follow_the_names_of_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fingerprints of older runs are made of this text: `resume` compares them."""
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path))
    fault = object_fault("bad_box", "`bbox` is not four numbers")
    objects = (StatedObject("cat", (1.0, 2.0, 3.5, 4.0), "a:1", True), StatedObject("", (0.0,) * 4, "a:2", fault=fault))  # type: ignore[arg-type]
    rows = BoxRows([Annotated(tmp_path / "1.png", "a", objects, 0), Annotated(tmp_path / "2.png", "b")])
    text = (
        f"('a', (Found(label='cat', corners=(1.0, 2.0, 3.5, 4.0), place='a:1', crowd=True, fault=None), "
        f"Found(label='', corners=(0.0, 0.0, 0.0, 0.0), place='a:2', crowd=False, fault=Fault(code='bad_box', "
        f"message='`bbox` is not four numbers', cure={fault.cure!r}, level='error', what='object'))), "
        f"0, (0, 0), False, '')\n('b', None, -1, (0, 0), False, '')\n"
    )
    assert rows.digest() == hashlib.sha256(text.encode()).hexdigest()
