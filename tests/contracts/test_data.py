"""Every data adapter, on a small source of its own format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.contracts import DataAdapter, Task
from core.registry import load
from core.testing import check_data_adapter, sample_examples, sample_task
from core.testing.samples import LABELS

ADAPTERS = load().components["data"]


def rows(target: str) -> list[dict[str, Any]]:
    """Rows of a table: a text and its label, or its value."""
    name: dict[str, Callable[[Any], Any]] = {
        "single": lambda index: LABELS[index],
        "multi": lambda chosen: [LABELS[index] for index in chosen],
        "regression": lambda value: value,
    }
    return [{"text": each.text, "label": name[target](each.target)} for each in sample_examples(target=target)]


def table(folder: Path, target: str) -> dict[str, Any]:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(target)), encoding="utf-8")
    return {"path": str(path)}


def lines(folder: Path, target: str) -> dict[str, Any]:
    for label in LABELS:
        texts = [row["text"] for row in rows("single") if row["label"] == label]
        (folder / f"{label}.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    return {"path": str(folder)}


def hub(folder: Path, target: str) -> dict[str, Any]:
    from datasets import Dataset

    Dataset.from_list(rows(target)).save_to_disk(str(folder / "saved"))
    return {"path": str(folder / "saved")}


SOURCES: dict[str, tuple[Callable[[Path, str], dict[str, Any]], tuple[str, ...]]] = {
    "reviews": (lambda folder, target: {"max_examples": 60}, ("single",)),
    "table": (table, ("single", "multi", "regression")),
    "lines": (lines, ("single",)),
    "hub": (hub, ("single", "multi", "regression")),
}
"""How to make a small source for each adapter, and the targets that it can hold. A new adapter needs an entry."""


@pytest.mark.parametrize(
    ("name", "target"), [(name, target) for name in ADAPTERS for target in SOURCES.get(name, (None, ("single",)))[1]]
)
def test_adapter(name: str, target: str, tmp_path: Path) -> None:
    if name not in SOURCES:
        pytest.fail(f"data={name} has no small source; add one to SOURCES in {__file__}")
    adapter = ADAPTERS[name](**SOURCES[name][0](tmp_path, target))
    assert isinstance(adapter, DataAdapter)
    check_data_adapter(adapter, sample_task(target=target))


def test_labels_of_the_task_are_kept_in_their_order(tmp_path: Path) -> None:
    adapter = ADAPTERS["table"](**table(tmp_path, "single"))
    assert isinstance(adapter, DataAdapter)
    order = ["wild", "calm", "fine"]
    splits = check_data_adapter(adapter, Task(labels=order))
    assert splits.labels == tuple(order)
