"""Renamed options: reported on the command line, and read in the folders of older runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from core.config import renamed
from core.config.compose import resolve
from core.config.renamed import new_choice, new_hook, new_option, translated
from core.config.serialization import config_text, difference, in_present_names, read_config, to_plain
from core.errors import ConfigError
from core.registry.registry import load_registry


@dataclass
class Before:
    block: int = 32


@dataclass
class Today:
    block_size: int = 32


@dataclass
class Task:
    type: str = ""
    labels: list[str] = field(default_factory=list)


@dataclass
class Oft(Today):
    name: ClassVar[str] = "oft"


def test_an_entry_works_once_the_new_name_exists_and_the_old_one_does_not() -> None:
    assert new_option("method/oft", Today, "block") == "block_size"
    assert new_option("method/oft", Before, "block") is None
    assert new_option("method/oft", Today, "block_size") is None
    assert new_option("method/lora", Today, "block") is None
    assert new_option("task", Task, "kind") == "type"


def test_a_renamed_choice_is_reported_with_the_new_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renamed, "CHOICES", {"model": {"robrta": "roberta"}})
    assert new_choice("model", "robrta", ["roberta"]) == "roberta"
    assert new_choice("model", "robrta", ["robrta", "roberta"]) is None
    assert new_choice("model", "robrta", []) is None
    assert new_choice("data", "robrta", ["roberta"]) is None
    with pytest.raises(ConfigError, match=r"model: robrta was renamed to roberta\..*\n.*Write model=roberta\."):
        resolve(["model=robrta"])


def test_every_entry_names_a_component_that_exists() -> None:
    for place in renamed.OPTIONS:
        group, _, name = place.partition("/")
        assert group in ("task", "train") or name in load_registry().components[group], place
    for table in (*renamed.OPTIONS.values(), *renamed.CHOICES.values(), renamed.HOOKS):
        assert not set(table) & set(table.values())


def test_a_stored_configuration_is_read_with_current_names() -> None:
    before = {
        "task": {"kind": "text-classification", "labels": ["a"]},
        "method": {"component": "oft", "block": 8},
        "metrics": {"f1": {"component": "f1", "average": "macro"}},
        "seed": 3,
    }
    after, notices = translated(before, {"task": Task}, {"method": {"oft": Oft}, "metric": {}})
    assert after == {
        "task": {"type": "text-classification", "labels": ["a"]},
        "method": {"component": "oft", "block_size": 8},
        "metrics": before["metrics"],
        "seed": 3,
    }
    assert list(after["task"]) == ["type", "labels"]
    assert notices == ["task.kind -> task.type", "method.block -> method.block_size"]
    assert before["method"] == {"component": "oft", "block": 8}
    assert translated(after, {"task": Task}, {"method": {"oft": Oft}}) == (after, [])


def test_components_are_read_with_current_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renamed, "CHOICES", {"method": {"rotate": "oft"}, "metric": {"f": "f1"}})
    before = {"method": {"component": "rotate", "block": 8}, "metrics": {"mine": {"component": "f"}}}
    after, notices = translated(before, {}, {"method": {"oft": Oft}, "metric": {"f1": Today}})
    assert after == {"method": {"component": "oft", "block_size": 8}, "metrics": {"mine": {"component": "f1"}}}
    assert notices == [
        "method=rotate -> method=oft", "method.block -> method.block_size", "metrics.mine=f -> metrics.mine=f1",
    ]  # fmt: skip


@pytest.mark.parametrize("odd", [{}, {"task": None, "method": "oft", "metrics": []}, {"method": {"block": 3}}])
def test_values_that_are_not_a_configuration_stay_unchanged(odd: dict[str, Any]) -> None:
    assert translated(odd, {"task": Task}, {"method": {"oft": Oft}}) == (odd, [])


@pytest.fixture
def rank_was_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that two options had other names before."""
    monkeypatch.setattr(renamed, "OPTIONS", {"method/lora": {"width": "rank"}, "train": {"passes": "epochs"}})


@pytest.mark.usefixtures("rank_was_width")
def test_an_old_name_on_the_command_line_is_reported_with_the_new_one() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(["method=lora", "method.width=4", "train.passes=2"])
    text = caught.value.report()
    assert "method.width: was renamed to method.rank. (from the command line)\n    Write method.rank=4" in text
    assert "train.passes: was renamed to train.epochs. (from the command line)\n    Write train.epochs=2" in text


@pytest.mark.usefixtures("rank_was_width")
def test_the_folder_of_an_older_run_is_read_with_one_line_of_notice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = resolve(["method=lora", "method.rank=4", "train.epochs=2"])
    text = config_text(config)
    path = tmp_path / "config.yaml"
    path.write_text(text.replace("  rank: 4", "  width: 4").replace("  epochs: 2", "  passes: 2"))
    capsys.readouterr()
    assert read_config(path) == config
    (line,) = capsys.readouterr().err.splitlines()
    assert "train.passes -> train.epochs" in line
    assert "method.width -> method.rank" in line
    path.write_text(text)
    assert read_config(path) == config
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("rank_was_width")
def test_renamed_options_do_not_prevent_a_resume() -> None:
    plain = to_plain(resolve(["method=lora", "method.rank=4"]))
    before = plain | {"method": {("width" if key == "rank" else key): each for key, each in plain["method"].items()}}
    assert difference(before, plain)
    assert difference(in_present_names(before)[0], plain) == []


def test_a_plugin_with_a_renamed_hook_gets_a_hint() -> None:
    assert new_hook("PluginValidationError: unknown hook 'kinds' in plugin <acme>") == (
        "The hook kinds was renamed to task_types."
    )
    assert new_hook("ZeroDivisionError") == ""
