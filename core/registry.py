"""Which plugins there are and what they announced: discovery, and the components by socket and name."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import pluggy

from core import builtin, hooks
from core.announcements import Announcement, conflicts, read_announcement
from core.component import Component
from core.contracts import AdapterMethod, DataAdapter, Metric, ModelLoader, Optimizer
from core.errors import PluginError, Problem, unknown
from core.kinds import Kind, OutputSpec, TargetType
from core.task import Task

ENTRY_POINT_GROUP = "graft.plugins"
DISTRIBUTION = "graft-tune"
"""The distribution that carries Graft; its plugins are the built-in ones."""

SOCKETS: dict[str, tuple[str, type[Component]]] = {
    "kind": ("kinds", Kind),
    "target": ("target_types", TargetType),
    "model": ("model_loaders", ModelLoader),
    "data": ("data_adapters", DataAdapter),
    "method": ("adapter_methods", AdapterMethod),
    "metric": ("metrics", Metric),
    "optimizer": ("optimizers", Optimizer),
}
"""Each socket's name in the configuration, with its hook and the class that its components extend."""


@dataclass(frozen=True)
class Plugin:
    """One plugin, loaded or failed.

    Attributes:
        name: Its entry point's name, or the module's.
        origin: The distribution and its version, or where the module came from.
        failure: The traceback of what failed, or empty.
        built_in: Whether Graft's own distribution carries it.
    """

    name: str
    origin: str
    failure: str = ""
    built_in: bool = False


@dataclass
class Registry:
    """Components by socket and name, with the plugin that owns each.

    Attributes:
        hook: Pluggy's relay, for the observers.
        plugins: All plugins found, failed ones included.
        components: `components[socket][name]` is a component class.
        owners: `owners[socket][name]` is a plugin's name.
        config_paths: Hydra search paths of presets, with the plugin that owns each.
        left_out: Group and name of what plugins would have announced that were left out, with the plugin's name.
    """

    manager: pluggy.PluginManager
    plugins: list[Plugin] = field(default_factory=list)
    components: dict[str, dict[str, type[Component]]] = field(default_factory=lambda: {s: {} for s in SOCKETS})
    owners: dict[str, dict[str, str]] = field(default_factory=lambda: {s: {} for s in SOCKETS})
    config_paths: list[tuple[str, str]] = field(default_factory=list)
    left_out: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def hook(self) -> pluggy.HookRelay:
        """Pluggy's relay."""
        return self.manager.hook

    def get(self, socket: str, name: str) -> type[Component]:
        """The component class of that name.

        Raises:
            PluginError: There is none; the nearest name is offered.
        """
        if name not in self.components[socket]:
            raise PluginError(Problem(socket, *self.unknown(socket, name, list(self.components[socket]))))
        return self.components[socket][name]

    def unknown(self, group: str, name: str, options: Sequence[str]) -> tuple[str, str]:
        """Message and cure for a name that does not exist; a plugin that was left out may be the reason."""
        if plugin := self.left_out.get((group, name)):
            return (
                f"the {group} {name!r} belongs to the plugin {plugin}, which was left out.",
                "`python -m core plugins` shows why.",
            )
        message, cure = unknown(group, name, options)
        if failed := [each.name for each in self.plugins if each.failure]:
            cure += f" Plugins left out: {', '.join(failed)}; `python -m core plugins` shows why."
        return message, cure

    def is_built_in(self, owner: str) -> bool:
        """Whether what `owner` announced comes with Graft."""
        return owner == "graft" or any(each.built_in for each in self.plugins if each.name == owner)

    def kind(self, name: str) -> Kind:
        """An instance of the kind of that name."""
        found = self.get("kind", name)()
        assert isinstance(found, Kind)
        return found

    def target(self, name: str) -> TargetType:
        """An instance of the target type of that name.

        Raises:
            PluginError: There is none; the nearest name is offered.
        """
        found = self.get("target", name)()
        assert isinstance(found, TargetType)
        return found

    def output(self, task: Task, labels: Sequence[str]) -> OutputSpec:
        """What is predicted for a task with these label names."""
        return OutputSpec(task, tuple(labels), self.target(task.target))

    def targets_of(self, kind: Kind) -> list[str]:
        """The names of the target types that a kind of task is learned with: what it lists, and what lists it."""
        own = [name for name, target in self.components["target"].items() if kind.name in target.kinds]
        return [*kind.targets, *(name for name in own if name not in kind.targets)]

    def optimizer(self, name: str) -> Optimizer:
        """An instance of the optimizer of that name."""
        found = self.get("optimizer", name)()
        assert isinstance(found, Optimizer)
        return found


@cache
def load() -> Registry:
    """Find every plugin and collect what it announces. Done once a process.

    A plugin that is wrong in any way is left out, with one line on standard error.

    Raises:
        PluginError: No plugin is installed at all; under `GRAFT_STRICT=1` also anything that is wrong with a plugin.
    """
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    registry, announced = Registry(manager), list[Announcement]()
    for plugin, module in _modules():
        registry.plugins.append(plugin)
        if module is not None:
            announced += _announcement(registry, plugin, module)
    for name, reason in conflicts([each for each in announced if manager.has_plugin(each.plugin)]).items():
        cure = f"Rename it, or set GRAFT_DISABLE={name}."
        _leave_out(registry, name, "is left out", PluginError(Problem(f"plugin {name}", f"{reason}.", cure)))
    for each in announced:
        _add(registry, each)
    if not registry.plugins:
        raise PluginError(
            Problem("graft", "no plugin is installed, not even the built-in ones.", "pip install -e '.[all]'")
        )
    return registry


def _modules() -> Iterator[tuple[Plugin, ModuleType | None]]:
    """Each plugin that is not switched off, with its module where that could be imported; core's own always is."""
    yield Plugin("core", DISTRIBUTION, built_in=True), builtin
    disabled = set(_names("GRAFT_DISABLE"))
    found: dict[str, dict[str, tuple[Plugin, str]]] = {}
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name):
        origin, distribution = _origin(point)
        plugin = Plugin(point.name, origin, built_in=distribution == DISTRIBUTION)
        found.setdefault(point.name, {}).setdefault(origin, (plugin, point.value))  # one may be seen twice on the path
    for target in _names("GRAFT_PLUGINS"):
        name = Path(target).stem if target.endswith(".py") else target
        found.setdefault(name, {})[f"{target} in GRAFT_PLUGINS"] = (Plugin(name, "GRAFT_PLUGINS"), target)
    for name, candidates in found.items():
        if name in disabled:
            continue
        chosen = [each for each in candidates.values() if each[0].built_in] or list(candidates.values())
        if len(candidates) > 1:
            error = PluginError(
                Problem(
                    f"plugin {name}",
                    f"is the name of {' and of '.join(candidates)}.",
                    f"Uninstall one of them, or set GRAFT_DISABLE={name}.",
                )
            )
            failure = _failure(f"plugin {name} is installed twice", error)
            if len(chosen) > 1:
                yield Plugin(name, ", ".join(candidates), failure), None
                continue
        plugin, target = chosen[0]
        module, failure = _import(name, plugin.origin, target)
        yield replace(plugin, failure=failure), module


def _names(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


def _origin(point: EntryPoint) -> tuple[str, str]:
    """The distribution with its version, and its name alone."""
    return _named(point.dist) if point.dist else ("unknown", "")


@cache
def _named(distribution: Distribution) -> tuple[str, str]:
    metadata = distribution.metadata  # read from its file each time
    return f"{metadata['Name']} {metadata['Version']}", metadata["Name"]


def _import(name: str, origin: str, target: str) -> tuple[ModuleType | None, str]:
    """The module (a dotted name or a file), or the traceback of its import."""
    try:
        if not target.endswith(".py"):
            return importlib.import_module(target), ""
        spec = importlib.util.spec_from_file_location(f"graft_plugins_{Path(target).stem}", target)
        if spec is None or spec.loader is None or not Path(target).is_file():
            raise FileNotFoundError(f"there is no file {target}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module, ""
    except Exception as error:  # a plugin may fail in any way; the others must still load
        return None, _failure(f"plugin {name} ({origin}) cannot be imported", error)


def _failure(what: str, error: Exception) -> str:
    """Say in one line that a plugin failed, unless that is to be fatal; returns the traceback for `plugins`."""
    if isinstance(error, PluginError):
        reason = " ".join(f"{each.message} {each.cure}".strip() for each in error.problems)
    else:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    text = f"{what}: {reason}"
    if os.environ.get("GRAFT_STRICT") == "1":
        raise PluginError(Problem("", text, "GRAFT_STRICT=1 makes this fatal.")) from error
    sys.stderr.write(f"graft: warning: {text} (python -m core plugins shows more)\n")
    return "".join(traceback.format_exception(error))


def _announcement(registry: Registry, plugin: Plugin, module: ModuleType) -> list[Announcement]:
    """What a plugin announces; nothing where it fails, and the plugin is then left out."""
    manager, name = registry.manager, plugin.name
    try:
        manager.register(module, name=name)
        manager.check_pending()
        hooked = [hook for hook in hooks.CALLED_AT_START if _implements(registry, module, hook)]
        returned = {hook: list(getattr(module, hook)()) for hook in hooked}
        found = read_announcement(name, plugin.built_in, returned, SOCKETS)
    except pluggy.PluginValidationError as error:
        _leave_out(registry, name, "is left out (see core/hooks.py for every hook and its arguments)", error)
    except Exception as error:  # a plugin may fail in any way; the others must still load
        _leave_out(registry, name, "cannot say what it announces", error)
    else:
        if found.problems:
            _leave_out(registry, name, "is left out", PluginError(*found.problems))
        return [found]
    return []


def _leave_out(registry: Registry, name: str, what: str, error: Exception) -> None:
    """Do without a plugin, as if its import had failed."""
    position = next(at for at, plugin in enumerate(registry.plugins) if plugin.name == name)
    plugin = registry.plugins[position]
    failure = _failure(f"plugin {name} ({plugin.origin}) {what}", error)
    registry.plugins[position] = replace(plugin, failure=failure)
    if registry.manager.has_plugin(name):
        registry.manager.unregister(name=name)


def _implements(registry: Registry, module: object, hook: str) -> bool:
    return hasattr(module, hook) and registry.manager.parse_hookimpl_opts(module, hook) is not None


def _add(registry: Registry, announced: Announcement) -> None:
    """Enter what a plugin announces, or remember what a plugin that was left out would have announced."""
    plugin = announced.plugin
    if not registry.manager.has_plugin(plugin):
        registry.left_out |= dict.fromkeys(announced.names(), plugin)
        return
    for (socket, name), component in announced.components.items():
        registry.components[socket][name] = component
        registry.owners[socket][name] = plugin
    registry.config_paths += [(path, plugin) for path in announced.config_paths]
