"""Every data adapter, on a small source in its own format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.contracts.components import DataAdapter
from core.registry.registry import load_registry
from core.tasks.task import Task
from core.testing.data import check_data_adapter
from core.testing.samples import DETECTION, IMAGE, LABELS, TEXT, sample_examples, sample_output, sample_task
from plugins.data.boxes import writers
from plugins.text.token_classification.example import TAGS, TokenClassification

Make = Callable[[Path, str], dict[str, Any]]
ADAPTERS = load_registry().components["data"]
TOKENS = TokenClassification.name


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


def class_folders(folder: Path) -> dict[str, Any]:
    for number, each in enumerate(sample_examples(IMAGE)):
        path = folder / LABELS[each.target] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(each.image)
    return {"path": str(folder)}


def image_table(folder: Path, target: str) -> dict[str, Any]:
    lines = ["image,labels"]
    for number, each in enumerate(sample_examples(IMAGE, target)):
        (folder / f"{number}.png").write_bytes(each.image)
        lines.append(f"{number}.png,{'|'.join(LABELS[index] for index in each.target)}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"path": str(folder / "labels.csv")}


def image_folder(folder: Path, target: str) -> dict[str, Any]:
    return class_folders(folder) if target == "single" else image_table(folder, target)


def image_hub(folder: Path, target: str) -> dict[str, Any]:
    from datasets import ClassLabel, Dataset, Features, Image, List

    classes = ClassLabel(names=list(LABELS))
    features = Features({"image": Image(), "label": classes if target == "single" else List(classes)})
    examples = sample_examples(IMAGE, target)
    labels = [each.target if target == "single" else list(each.target) for each in examples]
    images = [{"bytes": each.image, "path": None} for each in examples]
    Dataset.from_dict({"image": images, "label": labels}, features).save_to_disk(str(folder / "saved"))
    return {"path": str(folder / "saved")}


def boxes(write: str) -> Make:
    def make(folder: Path, target: str) -> dict[str, Any]:
        examples = sample_examples(DETECTION, "boxes")
        writer: Callable[..., None] = getattr(writers, write)
        writer({"train": examples[:32], "val": examples[32:40], "test": examples[40:]}, LABELS, folder)
        return {"path": str(folder)}

    return make


def tagged_rows() -> list[dict[str, list[str]]]:
    """Rows with the words of a text and a tag for each of them."""
    labels = sample_output(TOKENS, TAGS).labels
    examples = [each for each in sample_examples(TOKENS, TAGS) if each.words]
    return [{"tokens": each.surfaces, "tags": [labels[tag] for tag in each.target]} for each in examples]


def tagged_text(folder: Path, target: str) -> dict[str, Any]:
    path = folder / "rows.conll"
    sentences = ["\n".join(map("\t".join, zip(row["tokens"], row["tags"], strict=True))) for row in tagged_rows()]
    path.write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
    return {"path": str(path)}


def hub_tags(folder: Path, target: str) -> dict[str, Any]:
    from datasets import Dataset

    Dataset.from_list(tagged_rows()).save_to_disk(str(folder / "saved"))
    return {"path": str(folder / "saved")}


SOURCES: dict[str, dict[str, tuple[Make, tuple[str, ...]]]] = {
    "reviews": {TEXT: (lambda folder, target: {"max_examples": 60}, ("single",))},
    "table": {TEXT: (table, ("single", "multi", "regression"))},
    "lines": {TEXT: (lines, ("single",))},
    "digits": {IMAGE: (lambda folder, target: {"max_examples": 60}, ("single",))},
    "image_folder": {IMAGE: (image_folder, ("single", "multi"))},
    "digit_scenes": {DETECTION: (lambda folder, target: {"scenes": 60}, ("boxes",))},
    "yolo": {DETECTION: (boxes("write_yolo"), ("boxes",))},
    "voc": {DETECTION: (boxes("write_voc"), ("boxes",))},
    "coco": {DETECTION: (boxes("write_coco"), ("boxes",))},
    "entities": {TOKENS: (lambda folder, target: {}, (TAGS,))},
    "tagged_text": {TOKENS: (tagged_text, (TAGS,))},
    "hub_tags": {TOKENS: (hub_tags, (TAGS,))},
    "hub": {TEXT: (hub, ("single", "multi", "regression")), IMAGE: (image_hub, ("single", "multi"))},
}
"""How to make a small source for each adapter and task type, and its target types. A new adapter needs an entry."""

CASES = [
    (name, task_type, target)
    for name, adapter in ADAPTERS.items()
    for task_type in adapter.task_types
    for target in SOURCES.get(name, {}).get(task_type, (None, load_registry().task_type(task_type).targets[:1]))[1]
]


@pytest.mark.parametrize(("name", "task_type", "target"), CASES)
def test_adapter(name: str, task_type: str, target: str, tmp_path: Path) -> None:
    if task_type not in SOURCES.get(name, {}):
        pytest.fail(f"data={name} has no small source for {task_type}; add one to SOURCES in {__file__}")
    adapter = ADAPTERS[name](**SOURCES[name][task_type][0](tmp_path, target))
    assert isinstance(adapter, DataAdapter)
    check_data_adapter(adapter, sample_task(task_type, target))


def test_labels_of_the_task_are_kept_in_their_order(tmp_path: Path) -> None:
    adapter = ADAPTERS["table"](**table(tmp_path, "single"))
    assert isinstance(adapter, DataAdapter)
    order = ["wild", "calm", "fine"]
    splits = check_data_adapter(adapter, Task(labels=order))
    assert splits.labels == tuple(order)
