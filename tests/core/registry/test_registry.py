"""Find plugins, and report which one has a problem.

Covers: core/registry/announcements.py, core/registry/discovery.py, core/registry/hookspecs.py,
core/registry/preset_files.py
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.config import presets
from core.errors import ConfigError, PluginError
from core.registry import registry

HEADER = """
from dataclasses import dataclass
from typing import ClassVar
from core.contracts.components import AdapterMethod, DataAdapter
from core.registry.hookspecs import hookimpl
"""
METHOD = (
    HEADER
    + """
@dataclass
class Mine(AdapterMethod):
    \"\"\"A method.\"\"\"
    name: ClassVar[str] = "{name}"
    def apply(self, model, plan):
        return model

@hookimpl
def adapter_methods():
    return [Mine]
"""
)


@pytest.fixture
def fresh() -> Iterator[Callable[[], registry.Registry]]:
    """Load a new registry; the cached one of the process does not change."""
    yield registry.load_registry.__wrapped__
    for name in [name for name in sys.modules if name.startswith("plug_")]:
        del sys.modules[name]


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    paths: list[str] = []

    def write(name: str, text: str) -> Path:
        path = tmp_path / f"plug_{name}.py"
        path.write_text(text)
        paths.append(str(path))
        monkeypatch.setenv("GRAFT_PLUGINS", ",".join(paths))
        return path

    return write


Fresh = Callable[[], registry.Registry]
Write = Callable[..., Path]


def test_the_built_in_plugins_are_found_like_all_others(fresh: Fresh) -> None:
    found = fresh()
    assert {"data", "text", "methods", "metrics"} <= {plugin.name for plugin in found.plugins}
    assert not [plugin.failure for plugin in found.plugins if plugin.failure]
    assert found.owners["method"]["lora"] == "methods"


def test_a_local_module_is_a_plugin_too(fresh: Fresh, plugin: Write) -> None:
    plugin("mine", METHOD.format(name="mine"))
    found = fresh()
    assert found.get("method", "mine").summary() == "A method."
    assert found.owners["method"]["mine"] == "plug_mine"


def failures(found: registry.Registry) -> dict[str, str]:
    return {each.name: each.failure for each in found.plugins if each.failure}


def test_of_two_third_parties_with_one_name_both_are_left_out_until_one_is_disabled(
    fresh: Fresh, plugin: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin("one", METHOD.format(name="twice"))
    plugin("two", METHOD.format(name="twice"))
    found = fresh()
    assert set(failures(found)) == {"plug_one", "plug_two"}
    assert "the method 'twice' is announced by plug_two too" in failures(found)["plug_one"]
    assert "twice" not in found.components["method"]
    assert "lora" in found.components["method"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "set GRAFT_DISABLE=plug_one." in lines[0]
    with pytest.raises(PluginError, match=r"the method 'twice' belongs to the plugin plug_(one|two), which was left"):
        found.get("method", "twice")
    monkeypatch.setenv("GRAFT_DISABLE", "plug_one")
    found = fresh()
    assert not failures(found)
    assert found.owners["method"]["twice"] == "plug_two"


def test_a_built_in_component_keeps_its_name(fresh: Fresh, plugin: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin("lora", METHOD.format(name="lora"))
    found = fresh()
    assert "the method 'lora' is announced by methods too" in failures(found)["plug_lora"]
    assert found.owners["method"]["lora"] == "methods"
    monkeypatch.setenv("GRAFT_STRICT", "1")
    with pytest.raises(PluginError, match="the method 'lora' is announced by methods too"):
        fresh()


def test_a_plugin_with_the_name_of_a_built_in_plugin_is_left_out(
    fresh: Fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "methods.py").write_text(METHOD.format(name="mine"))
    monkeypatch.setenv("GRAFT_PLUGINS", str(tmp_path / "methods.py"))
    found = fresh()
    assert found.owners["method"]["lora"] == "methods"
    assert "mine" not in found.components["method"]
    assert "plugin methods is installed twice" in capsys.readouterr().err


def test_plugins_of_grafts_distribution_are_built_in(fresh: Fresh, plugin: Write) -> None:
    plugin("mine", METHOD.format(name="mine"))
    found = fresh()
    assert {each.name for each in found.plugins if not each.built_in} == {"plug_mine"}
    assert found.is_built_in("methods")
    assert found.is_built_in("graft")
    assert not found.is_built_in("plug_mine")


def test_a_plugin_that_fails_prints_one_line_and_the_others_load(
    fresh: Fresh, plugin: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin("bad", "import a_module_that_nobody_has")
    found = fresh()
    (bad,) = [each for each in found.plugins if each.name == "plug_bad"]
    assert "a_module_that_nobody_has" in bad.failure
    assert "lora" in found.components["method"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "plug_bad" in lines[0]
    assert "ModuleNotFoundError" in lines[0]


def test_a_failure_is_fatal_under_graft_strict(fresh: Fresh, plugin: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin("bad", "1 / 0")
    monkeypatch.setenv("GRAFT_STRICT", "1")
    with pytest.raises(PluginError, match=r"plug_bad.*ZeroDivisionError"):
        fresh()


def test_a_plugin_can_be_disabled(fresh: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFT_DISABLE", "methods")
    found = fresh()
    assert "methods" not in {plugin.name for plugin in found.plugins}
    assert found.components["method"] == {}
    with pytest.raises(PluginError, match="there is no method 'lora'"):
        found.get("method", "lora")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEADER + "@hookimpl\ndef adapter_methods():\n    return [int]\n", "is not a subclass of"),
        (METHOD.format(name="x").replace("@dataclass\n", ""), "must be a @dataclass|does not implement"),
        (METHOD.format(name="x").replace("def apply", "def aply"), "does not implement apply"),
        (METHOD.format(name="x").replace("def adapter_methods", "def adapter_method"), "adapter_method"),
        (HEADER + "@hookimpl\ndef run_ended(report, nonsense):\n    pass\n", "nonsense"),
    ],
)
def test_a_plugin_that_breaks_a_contract_is_left_out(
    fresh: Fresh, plugin: Write, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin("wrong", text)
    found = fresh()
    assert re.search(words, failures(found)["plug_wrong"])
    assert "x" not in found.components["method"]
    assert "lora" in found.components["method"]
    (line,) = capsys.readouterr().err.splitlines()
    assert "plug_wrong" in line


@pytest.mark.parametrize("type_", ["int | dict", "Literal['a', 'b']", "set[int]", "list[int] | str"])
def test_an_option_that_cannot_be_configured_is_reported_at_the_start(fresh: Fresh, plugin: Write, type_: str) -> None:
    text = METHOD.format(name="x").replace('= "x"', f'= "x"\n    odd: {type_} = None')
    plugin("wrong", text.replace("import ClassVar", "import ClassVar, Literal"))
    found = fresh()
    assert "the option odd has the type" in failures(found)["plug_wrong"]
    assert "x" not in found.components["method"]
    with pytest.raises(PluginError, match="the method 'x' belongs to the plugin plug_wrong, which was left out"):
        found.get("method", "x")


def test_only_a_run_that_names_a_component_that_was_left_out_fails(
    fresh: Fresh, plugin: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.config.compose import resolve

    plugin("wrong", METHOD.format(name="x").replace("return [Mine]", "return [Mine, Mine]"))
    folders = presets.PresetFolders(fresh())
    with pytest.raises(ConfigError, match=r"method: the method 'x' belongs to the plugin plug_wrong.*\n.*core plugins"):
        resolve(["method=x"], folders=folders)
    assert resolve(["method=lora"], folders=folders).method.name == "lora"


def test_hooks_that_raise_leave_the_plugin_out(fresh: Fresh, plugin: Write, capsys: pytest.CaptureFixture[str]) -> None:
    plugin("wrong", METHOD.format(name="x").replace("return [Mine]", "return 1 / 0"))
    found = fresh()
    assert "ZeroDivisionError" in failures(found)["plug_wrong"]
    assert "Traceback" in failures(found)["plug_wrong"]
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert "lora" in found.components["method"]


def test_a_component_announced_twice_by_one_plugin_is_reported(fresh: Fresh, plugin: Write) -> None:
    plugin("wrong", METHOD.format(name="x").replace("[Mine]", "[Mine, Mine]"))
    assert "announces the method 'x' twice" in failures(fresh())["plug_wrong"]


def test_an_unknown_component_is_reported_with_the_nearest_name(fresh: Fresh) -> None:
    with pytest.raises(PluginError, match="Did you mean 'lora'"):
        fresh().get("method", "loar")


PRESETS = HEADER + '\n@hookimpl\ndef config_paths():\n    return ["{path}"]\n'


def preset(folder: Path, name: str) -> Path:
    path = folder / f"{name}.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("# A preset.\n")
    return folder


@pytest.mark.parametrize("name", ["model/roberta", "method/lora"])
def test_a_preset_with_the_name_of_a_built_in_one_is_left_out(
    fresh: Fresh, plugin: Write, tmp_path: Path, name: str
) -> None:
    plugin("mine", PRESETS.format(path=f"file://{preset(tmp_path / 'conf', name)}"))
    found = fresh()
    group, _, name = name.partition("/")
    assert f"the {group} {name!r} is announced by" in failures(found)["plug_mine"]
    assert found.config_paths == []


def test_a_preset_of_a_plugin_that_was_left_out_is_reported_when_it_is_chosen(
    fresh: Fresh, plugin: Write, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        plugin(name, PRESETS.format(path=preset(tmp_path / name, "model/ours")))
    found = fresh()
    assert set(failures(found)) == {"plug_one", "plug_two"}
    assert "belongs to the plugin plug_" in found.unknown("model", "ours", [])[0]


def test_a_missing_folder_of_presets_leaves_the_plugin_out(fresh: Fresh, plugin: Write) -> None:
    plugin("mine", PRESETS.format(path="pkg://acme_that_nobody_has.conf"))
    found = fresh()
    assert "there is no such folder" in failures(found)["plug_mine"]
    assert "Plugins left out: plug_mine" in found.unknown("model", "acme", [])[1]


def test_two_presets_with_the_same_name_are_refused(tmp_path: Path) -> None:
    folder = preset(tmp_path, "model/roberta")
    with pytest.raises(ConfigError, match=r"preset model/roberta.*is in .*conf/model/roberta\.yaml and in"):
        presets.PresetFolders.named([str(folder)]).refuse_duplicates()


def test_a_preset_with_the_name_of_a_component_is_refused(tmp_path: Path) -> None:
    folder = preset(tmp_path, "method/lora")
    with pytest.raises(ConfigError, match=r"preset method/lora.*has the name of a component"):
        presets.PresetFolders.named([str(folder)]).refuse_duplicates()


def test_only_existing_hooks_of_a_module_are_called() -> None:
    """pluggy before 1.7 reads each attribute without checking that it exists."""
    import pluggy

    from core.registry.registry import _implements
    from plugins.detection import plugin as detection

    class Older(pluggy.PluginManager):
        def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
            getattr(plugin, name)
            return super().parse_hookimpl_opts(plugin, name)

    loaded: Any = SimpleNamespace(manager=Older("graft"))
    assert _implements(loaded, detection, "task_types")
    assert not _implements(loaded, detection, "metrics")
    assert not _implements(loaded, None, "task_types")
