"""Finding plugins, and saying whose fault it is when one is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core import presets, registry
from core.errors import PluginError

HEADER = """
from dataclasses import dataclass
from typing import ClassVar
from core.contracts import AdapterMethod, DataAdapter
from core.hooks import hookimpl
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
    """A registry of its own; the one that is kept for the process stays what it is."""
    yield registry.load.__wrapped__
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


def test_the_built_in_plugins_are_found_like_anyone_elses(fresh: Fresh) -> None:
    found = fresh()
    assert {"data", "text", "methods", "metrics"} <= {plugin.name for plugin in found.plugins}
    assert not [plugin.failure for plugin in found.plugins if plugin.failure]
    assert found.owners["method"]["lora"] == "methods"


def test_a_local_module_is_a_plugin_too(fresh: Fresh, plugin: Write) -> None:
    plugin("mine", METHOD.format(name="mine"))
    found = fresh()
    assert found.get("method", "mine").summary() == "A method."
    assert found.owners["method"]["mine"] == "plug_mine"


def test_two_plugins_of_one_name_are_both_named(fresh: Fresh, plugin: Write) -> None:
    plugin("one", METHOD.format(name="twice"))
    plugin("two", METHOD.format(name="twice"))
    with pytest.raises(PluginError, match=r"plug_(one|two).*'twice' is announced by plug_(one|two) too"):
        fresh()


def test_a_name_of_a_built_in_component_is_taken(fresh: Fresh, plugin: Write) -> None:
    plugin("lora", METHOD.format(name="lora"))
    with pytest.raises(PluginError, match=r"the method 'lora' is announced by"):
        fresh()


def test_a_plugin_that_fails_costs_a_line_and_nothing_else(
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


def test_under_graft_strict_it_is_fatal(fresh: Fresh, plugin: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin("bad", "1 / 0")
    monkeypatch.setenv("GRAFT_STRICT", "1")
    with pytest.raises(PluginError, match=r"plug_bad.*ZeroDivisionError"):
        fresh()


def test_a_plugin_can_be_switched_off(fresh: Fresh, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_what_breaks_a_contract_is_refused_with_the_plugins_name(
    fresh: Fresh, plugin: Write, text: str, words: str
) -> None:
    plugin("wrong", text)
    with pytest.raises(PluginError, match=words) as caught:
        fresh()
    assert "plug_wrong" in caught.value.report()


def test_an_unknown_component_is_told_with_the_nearest(fresh: Fresh) -> None:
    with pytest.raises(PluginError, match="Did you mean 'lora'"):
        fresh().get("method", "loar")


@pytest.fixture
def presets_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def announce(path: str) -> None:
        kept = registry.load()
        monkeypatch.setattr(kept, "config_paths", [*kept.config_paths, (path, "acme")])

    return announce


def test_two_presets_of_one_name_are_refused(tmp_path: Path, presets_of: Callable[[str], None]) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "roberta.yaml").write_text("# Another one.\n")
    presets_of(f"file://{tmp_path}")
    with pytest.raises(PluginError, match=r"preset model/roberta.*is in .*conf/model/roberta\.yaml and in"):
        presets.refuse_duplicates()


def test_a_preset_with_the_name_of_a_component_is_refused(tmp_path: Path, presets_of: Callable[[str], None]) -> None:
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "lora.yaml").write_text("# LoRA.\n")
    presets_of(str(tmp_path))
    with pytest.raises(PluginError, match=r"preset method/lora.*bears the name of a component"):
        presets.refuse_duplicates()


def test_a_folder_of_presets_that_is_not_there_is_told(presets_of: Callable[[str], None]) -> None:
    presets_of("pkg://acme_that_nobody_has.conf")
    with pytest.raises(PluginError, match=r"plugin acme.*no such folder"):
        presets.every()


def test_modules_are_asked_only_for_hooks_that_they_have() -> None:
    """pluggy before 1.7 looks each name up without asking whether it is there."""
    import pluggy

    from core.registry import _implements
    from plugins.detection import plugin as detection

    class Older(pluggy.PluginManager):
        def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
            getattr(plugin, name)
            return super().parse_hookimpl_opts(plugin, name)

    loaded: Any = SimpleNamespace(manager=Older("graft"))
    assert _implements(loaded, detection, "kinds")
    assert not _implements(loaded, detection, "metrics")
    assert not _implements(loaded, None, "kinds")
