"""Reading sources of sentences without their target type."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.tasks.task import Task
from plugins.text.token_classification.data import load
from plugins.text.token_classification.data.adapters import TaggedText


@pytest.fixture(autouse=True)
def _sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapters return their source of rows, which `build_splits` would split."""
    monkeypatch.setattr(load, "build_splits", lambda source, task, seed, options: source)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Any]:
    """Return a function that writes a file and opens it as a source.

    A text is written as it is, a list of objects as JSON lines.
    """

    def opened(content: str | bytes | list[Any], name: str = "", **options: Any) -> Any:
        path = tmp_path / (name or ("rows.jsonl" if isinstance(content, list) else "rows.conll"))
        if isinstance(content, list):
            content = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in content)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return TaggedText(path=str(path), **options).load(Task(), 0)

    return opened
