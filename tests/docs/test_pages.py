"""The hand-written pages: links lead somewhere, and Python code in them is valid."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
import textwrap
from pathlib import Path

import pytest

from core import Task, TrainConfig
from core.registry import load_registry

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
OPTION = re.compile(r"(?<![\w./-])(task|data|model|method|train)\.([a-z_0-9]+)=")
SKETCH = re.compile(r"^```py\n(.*?)^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), f"{page.name} links to {target}, which does not exist"
        if anchor:
            assert anchor in anchors(linked), f"{page.name} links to {target}#{anchor}; there are {anchors(linked)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sketches_are_valid_python(page: Path) -> None:
    for sketch in SKETCH.findall(page.read_text(encoding="utf-8")):
        ast.parse(textwrap.dedent(sketch))


def imports(sketch: str) -> list[tuple[str, str]]:
    """Return what a sketch imports from Graft, as pairs of module and name."""
    return [
        (node.module or "", alias.name)
        for node in ast.walk(ast.parse(textwrap.dedent(sketch)))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("core", "plugins")
        for alias in node.names
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_that_code_imports_exist(page: Path) -> None:
    code = re.compile(r"^```(?:py|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    missing = []
    for sketch in code.findall(page.read_text(encoding="utf-8")):
        try:
            wanted = imports(sketch)
        except SyntaxError:  # a signature on a generated page
            continue
        for module, name in wanted:
            if not hasattr(importlib.import_module(module), name):
                missing.append(f"{module}.{name}")
    assert not missing


def test_the_plugin_page_imports_from_rooms_alone() -> None:
    page = (ROOT / "docs" / "how-to" / "write-a-plugin.md").read_text(encoding="utf-8")
    modules = {module for sketch in SKETCH.findall(page) for module, _ in imports(sketch)}
    assert "core" in modules
    assert all(module.count(".") <= 1 for module in modules)


def options() -> set[tuple[str, str]]:
    """Return the names of all options, each with its group."""
    registry = load_registry()
    found = {"task": [Task], "train": [TrainConfig]} | {
        group: list(registry.components[group].values()) for group in ("data", "model", "method")
    }
    return {
        (group, field.name)
        for group, classes in found.items()
        for each in classes
        for field in dataclasses.fields(each)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_on_the_pages_exist(page: Path) -> None:
    assert not set(OPTION.findall(page.read_text(encoding="utf-8"))) - options()
