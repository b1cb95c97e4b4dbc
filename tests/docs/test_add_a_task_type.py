"""The page "Add a task type": its excerpts are in the files that it names, its methods exist and are called there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import core.contracts
import core.data
import core.tasks
import core.testing
import core.training
from core import DataAdapter, LoadedModel, Metric, ModelLoader, SupportsFeatures, TargetType, TaskType
from core.tasks import Encoded, Encoder

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "plugins" / "text" / "token_classification"
PAGE = (ROOT / "docs" / "how-to" / "add-a-task-type.md").read_text(encoding="utf-8")
TEXT = re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
"""The page without its code."""
EXCERPTS = re.findall(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
"""Pairs of a file and the code that is quoted from it."""
CODE_BLOCKS = re.findall(r"^```(?:python|toml|yaml)$", PAGE, re.MULTILINE)
CONTRACTS: dict[str, type] = {
    each.__name__: each
    for each in (TaskType, TargetType, Metric, DataAdapter, ModelLoader, LoadedModel, SupportsFeatures)
}
OTHERS: tuple[type, ...] = (Encoder, Encoded, core.data.Row, core.data.Source)
ROOMS = (core.contracts, core.data, core.tasks, core.testing, core.training)
FIXED = {"accepted_by", "from_logits", "summary"}
"""Methods that a plugin does not override."""
ONLY_OF_SOME_MODELS = {
    name for name in vars(LoadedModel) if not name.startswith("_") and name not in LoadedModel.__abstractmethods__
}
STAGES = [
    (re.findall(r"`([\w/]+\.py)`", files), re.findall(r"`(\w+)\.(\w+)`", methods))
    for files, methods in re.findall(r"^\| [^|]+ \| ([^|]+\.py`) \| ([^|]+) \|$", PAGE, re.MULTILINE)
]
"""The rows of the table of stages: the files that call, and the classes and methods."""


def members(cls: type) -> set[str]:
    """Return the public names that a class has: methods, class variables and fields."""
    annotated = {name for each in cls.__mro__ for name in vars(each).get("__annotations__", ())}
    return {name for name in {*dir(cls), *annotated} if not name.startswith("_")}


def public_methods(cls: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(cls, inspect.isroutine) if not name.startswith("_")} - FIXED


def test_every_excerpt_names_its_file() -> None:
    assert len(EXCERPTS) == len(CODE_BLOCKS) > 5


@pytest.mark.parametrize(("file", "excerpt"), EXCERPTS, ids=[file for file, _ in EXCERPTS])
def test_every_excerpt_is_in_its_file(file: str, excerpt: str) -> None:
    assert excerpt in (ROOT / file).read_text(encoding="utf-8"), f"this is not in {file}:\n{excerpt}"


def test_every_file_in_the_text_exists() -> None:
    files = re.findall(r"`([\w/]+(?:\.(?:py|toml|yaml)|/))`", TEXT)
    assert len(files) > 20
    assert not [file for file in files if not ((ROOT / file).exists() or (PACKAGE / file).exists())]


def test_every_member_of_a_class_exists() -> None:
    named = [(cls, name) for cls, name in re.findall(r"`([A-Z]\w+)\.(\w+)`", TEXT)]
    known = CONTRACTS | {each.__name__: each for each in OTHERS}
    assert {cls for cls, _ in named} <= known.keys()
    assert not [f"{cls}.{name}" for cls, name in named if name not in members(known[cls])]


def test_every_call_has_the_arguments_of_a_method() -> None:
    calls = re.findall(r"`(\w+)\(([^`]*)\)`", TEXT)
    assert len(calls) > 5
    for name, given in calls:
        owners = [cls for cls in CONTRACTS.values() if name in public_methods(cls)]
        signatures = [list(inspect.signature(getattr(cls, name)).parameters)[1:] for cls in owners]
        shown = [each.strip() for each in given.split(",")] if given else []
        assert shown in signatures or hasattr(core.testing, name), f"{name}({given}): {signatures}"


def test_every_single_name_exists() -> None:
    """A name in backticks alone is a member of a contract, a public name of a room, or a name in the package."""
    known = {name for cls in (*CONTRACTS.values(), *OTHERS) for name in members(cls)}
    known |= {name for room in ROOMS for name in room.__all__}
    sources = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    known |= {word for source in sources for word in re.findall(r"\w+", source)}
    named = set(re.findall(r"`([A-Za-z_]+)`", TEXT))
    assert len(named) > 20
    assert sorted(named - known) == []


@pytest.mark.parametrize(("files", "methods"), STAGES, ids=[" ".join(files) for files, _ in STAGES])
def test_the_methods_of_a_stage_are_called_there(files: list[str], methods: list[tuple[str, str]]) -> None:
    assert methods
    source = "\n".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    assert not [name for _, name in methods if f".{name}(" not in source]


def test_the_table_of_stages_has_every_method() -> None:
    listed = {method for _, methods in STAGES for method in methods}
    wanted = {(name, method) for name, cls in CONTRACTS.items() for method in public_methods(cls)}
    optional = {("LoadedModel", name) for name in ONLY_OF_SOME_MODELS}
    assert wanted - listed - optional == set()
    assert listed <= wanted
    assert {cls for cls, _ in listed} == CONTRACTS.keys()


def test_every_check_is_in_the_kit() -> None:
    assert set(re.findall(r"`(check_\w+)`", TEXT)) <= set(core.testing.__all__)
