"""What the data plugin announces, and which options its adapters refuse before they read anything.

Covers: plugins/data/adapters/checks.py, plugins/data/adapters/detection.py,
plugins/data/adapters/file_adapter.py, plugins/data/adapters/hub.py, plugins/data/adapters/images.py,
plugins/data/adapters/unlabeled.py
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from core.contracts.components import RunConfig
from core.tasks.task import Task
from plugins.data.adapters.detection import Coco, DigitScenes, Voc, Yolo
from plugins.data.adapters.hub import Hub
from plugins.data.adapters.images import Digits, ImageFolder
from plugins.data.adapters.text import Lines, Reviews, Table
from plugins.data.plugin import data_adapters


def complaints(adapter, kind: str = "text-classification") -> list[str]:
    config = RunConfig(task=Task(type=kind), data=adapter)
    return [problem.where for problem in adapter.check(config)]


def test_ten_adapters_are_announced():
    names = ["reviews", "table", "lines", "digits", "image_folder", "hub", "digit_scenes", "yolo", "voc", "coco"]
    assert [adapter.name for adapter in data_adapters()] == names


@pytest.mark.parametrize(
    ("adapter", "where"),
    [
        (Reviews(), []),
        (Reviews(val_fraction=0.5, test_fraction=0.6), ["data.test_fraction"]),
        (Table(path="a.csv"), []),
        (Table(), ["data.path"]),
        (Table(test="a.csv"), ["data.path"]),
        (Table(path="a.csv", train="b.csv"), ["data.path"]),
        (Table(path="a.csv", label_columns=["x"]), ["data.label_columns"]),
        (Table(train="a", split="s"), ["data.split"]),
        (Table(train="a", val="b", test="c", group="g"), ["data.group"]),
        (Lines(), ["data.path"]),
        (Hub(), ["data.dataset"]),
        (Hub(dataset="a/b", path="c"), ["data.dataset"]),
        (Hub(path="c", revision="main"), ["data.revision"]),
        (Hub(path="c", image="photo"), ["data.image"]),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_read(adapter, where):
    assert complaints(adapter) == where


@pytest.mark.parametrize(
    ("adapter", "where"),
    [
        (Digits(), []),
        (Digits(val_fraction=0.5, test_fraction=0.6), ["data.test_fraction"]),
        (ImageFolder(path="pets"), []),
        (ImageFolder(), ["data.path"]),
        (ImageFolder(path="pets", test="more"), ["data.path"]),
        (ImageFolder(path="a.csv", label="x", label_columns=["y"]), ["data.label_columns", "data.label_columns"]),
        (ImageFolder(train="a.csv", split="s"), ["data.split"]),
        (Hub(path="c", image="photo"), []),
        (Hub(path="c", text="a", pair="b"), ["data.text", "data.pair"]),
    ],
)
def test_options_that_cannot_work_with_images(adapter, where):
    assert complaints(adapter, "image-classification") == where


@pytest.mark.parametrize(
    ("adapter", "where"),
    [
        (DigitScenes(), []),
        (DigitScenes(val_fraction=0.5, test_fraction=0.6), ["data.test_fraction"]),
        (DigitScenes(min_size=60, max_size=50, size=48), ["data.min_size", "data.max_size"]),
        (Yolo(path="cells"), []),
        (Yolo(), ["data.path"]),
        (Voc(), ["data.path"]),
        (Coco(), ["data.path"]),
        (Coco(path="cells", val="val.json"), ["data.path"]),
    ],
)
def test_options_that_cannot_work_with_boxes(adapter, where):
    assert complaints(adapter, "object-detection") == where


def test_announcing_imports_nothing_heavy():
    heavy = {"numpy", "pyarrow", "datasets", "torch", "PIL", "sklearn"}
    code = f"import sys, plugins.data.plugin; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
