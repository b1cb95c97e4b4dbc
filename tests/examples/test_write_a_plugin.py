"""The how-to shows code that exists: each excerpt is in the example, word for word."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from core import AdapterMethod, DataAdapter, LoadedModel, Metric, ModelLoader, Optimizer, TargetType, TaskType
from core.options import option

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "write-a-plugin.md").read_text(encoding="utf-8")
EXCERPTS = re.findall(r"^```(?:python|toml|yaml)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SOURCES = [
    path.read_text(encoding="utf-8")
    for package in ("acme_plugin", "ordinal_plugin")
    for suffix in ("py", "toml", "yaml")
    for path in (ROOT / "examples" / package).rglob(f"*.{suffix}")
]
CLASSES: dict[str, list[type]] = {
    "Data adapter": [DataAdapter],
    "Model loader": [ModelLoader, LoadedModel],
    "Adapter method": [AdapterMethod],
    "Optimizer": [Optimizer],
    "Metric": [Metric],
    "Task type": [TaskType],
    "Target type": [TargetType],
}
"""The classes that each section describes."""
FIXED = {"accepted_by", "from_logits", "summary", "check"}
"""Methods that plugins do not override, and `check`, which has a section of its own."""


@pytest.mark.parametrize("excerpt", EXCERPTS, ids=lambda excerpt: excerpt.strip().splitlines()[-1][:40].strip())
def test_excerpt_is_real(excerpt: str) -> None:
    assert any(excerpt in source for source in SOURCES), f"this is in no example:\n{excerpt}"


def test_every_check_is_described() -> None:
    import core.testing

    described = set(re.findall(r"^\| `(check_\w+)\(", PAGE, re.MULTILINE))
    small = {"check_light", "check_preset"}  # parts of check_plugin
    assert described == {name for name in core.testing.__all__ if name.startswith("check_")} - small


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def public_methods(cls: type) -> dict[str, str]:
    """Return the methods that a plugin can implement, by name, as `name(arguments)`."""
    found = {}
    for name, member in inspect.getmembers(cls, inspect.isroutine):
        if not name.startswith("_") and name not in FIXED:
            arguments = [argument for argument in inspect.signature(member).parameters if argument != "self"]
            found[name] = f"{name}({', '.join(arguments)})"
    return found


@pytest.mark.parametrize("title", CLASSES)
def test_every_method_is_described_with_its_arguments(title: str) -> None:
    rows = [row for row in section(title).splitlines() if row.startswith("| `")]
    described = {name: row for row in rows for name in re.findall(r"`(\w+\([^`]*\))`", row.split(" | ")[0])}
    methods: dict[str, str] = {}
    required: set[str] = set()
    for cls in CLASSES[title]:
        methods |= public_methods(cls)
        required |= set(getattr(cls, "__abstractmethods__", ()))
    protocols = {name for name, row in described.items() if row.startswith("| `Supports")}
    assert set(described) - protocols == set(methods.values())
    assert {name.partition("(")[0] for name, row in described.items() if "(required)" in row} == required


@pytest.mark.parametrize("title", CLASSES)
def test_every_class_variable_is_described(title: str) -> None:
    for cls in CLASSES[title]:
        for name in cls.__annotations__:
            assert f"`{name}`" in section(title) or f"`{name} = " in section(title), f"{cls.__name__}.{name}"


def test_every_argument_of_option_is_described() -> None:
    described = re.findall(r"`(\w+)`", "".join(re.findall(r"^\|(.*?) \|", section("Write a component"), re.MULTILINE)))
    assert set(inspect.signature(option).parameters) <= set(described)
