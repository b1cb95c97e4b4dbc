from __future__ import annotations

import subprocess
import sys

import pytest

from core.config import RunConfig
from core.contracts import Task
from plugins.data.plugin import Hub, Lines, Reviews, Table, data_adapters


def complaints(adapter, target: str = "single") -> list[str]:
    config = RunConfig(task=Task(target=target), data=adapter)
    return [problem.where for problem in adapter.check(config)]


def test_four_adapters_are_announced():
    assert [adapter.name for adapter in data_adapters()] == ["reviews", "table", "lines", "hub"]


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
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_read(adapter, where):
    assert complaints(adapter) == where


def test_announcing_imports_nothing_heavy():
    code = "import sys, plugins.data.plugin; print({'numpy', 'pyarrow', 'datasets', 'torch'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
