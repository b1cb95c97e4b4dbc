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
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import pluggy

from core import builtin, hooks
from core.component import Component
from core.contracts import AdapterMethod, DataAdapter, Metric, ModelLoader
from core.errors import PluginError, Problem, unknown
from core.kinds import Kind, OutputSpec, TargetType
from core.task import Task

ENTRY_POINT_GROUP = "graft.plugins"

SOCKETS: dict[str, tuple[str, type[Component]]] = {
    "kind": ("kinds", Kind),
    "target": ("target_types", TargetType),
    "model": ("model_loaders", ModelLoader),
    "data": ("data_adapters", DataAdapter),
    "method": ("adapter_methods", AdapterMethod),
    "metric": ("metrics", Metric),
}
"""Each socket's name in the configuration, with its hook and the class that its components extend."""


@dataclass(frozen=True)
class Plugin:
    """One plugin, loaded or failed.

    Attributes:
        name: Its entry point's name, or the module's.
        origin: The distribution and its version, or where the module came from.
        failure: The traceback of its import, or empty.
    """

    name: str
    origin: str
    failure: str = ""


@dataclass
class Registry:
    """Components by socket and name, with the plugin that owns each.

    Attributes:
        hook: Pluggy's relay, for the observers.
        plugins: All plugins found, failed ones included.
        components: `components[socket][name]` is a component class.
        owners: `owners[socket][name]` is a plugin's name.
        config_paths: Hydra search paths of presets, with the plugin that owns each.
    """

    manager: pluggy.PluginManager
    plugins: list[Plugin] = field(default_factory=list)
    components: dict[str, dict[str, type[Component]]] = field(default_factory=lambda: {s: {} for s in SOCKETS})
    owners: dict[str, dict[str, str]] = field(default_factory=lambda: {s: {} for s in SOCKETS})
    config_paths: list[tuple[str, str]] = field(default_factory=list)

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
            raise PluginError(Problem(socket, *unknown(socket, name, list(self.components[socket]))))
        return self.components[socket][name]

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


@cache
def load() -> Registry:
    """Find every plugin and collect what it announces. Done once a process.

    Raises:
        PluginError: Two plugins announce one name, or a component breaks the rules of its socket; under
            `GRAFT_STRICT=1` also a plugin that cannot be imported.
    """
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    registry = Registry(manager)
    for name, origin, module, failure in _modules():
        registry.plugins.append(Plugin(name, origin, failure))
        if module is not None:
            _register(registry, name, module)
    _collect(registry)
    if not registry.plugins:
        raise PluginError(
            Problem("graft", "no plugin is installed, not even the built-in ones.", "pip install -e '.[all]'")
        )
    return registry


def _modules() -> Iterator[tuple[str, str, ModuleType | None, str]]:
    """Name, origin, module and failure of each plugin that is not switched off; core's own cannot be."""
    yield "core", "graft-tune", builtin, ""
    disabled = set(_names("GRAFT_DISABLE"))
    found = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)
    seen: dict[str, str] = {}
    for point in found:
        if point.name in disabled:
            continue
        origin = _origin(point)
        if point.name in seen:
            if seen[point.name] == origin:
                continue  # the same distribution seen twice on the path
            raise PluginError(
                Problem(
                    f"plugin {point.name}",
                    f"is announced by {seen[point.name]} and by {origin}.",
                    f"Uninstall one of them, or set GRAFT_DISABLE={point.name}.",
                )
            )
        seen[point.name] = origin
        yield point.name, origin, *_import(point.name, origin, point.value)
    for target in _names("GRAFT_PLUGINS"):
        name = Path(target).stem if target.endswith(".py") else target
        if name in disabled:
            continue
        if name in seen:
            message = f"is the name of {target} in GRAFT_PLUGINS and of {seen[name]}."
            raise PluginError(Problem(f"plugin {name}", message, f"Rename one, or set GRAFT_DISABLE={name}."))
        seen[name] = f"{target} in GRAFT_PLUGINS"
        yield name, "GRAFT_PLUGINS", *_import(target, "GRAFT_PLUGINS", target)


def _names(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"


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
    text = f"{what}: {type(error).__name__}: {' '.join(str(error).split())}"
    if os.environ.get("GRAFT_STRICT") == "1":
        raise PluginError(Problem("", text, "GRAFT_STRICT=1 makes this fatal.")) from error
    sys.stderr.write(f"graft: warning: {text} (python -m core plugins shows more)\n")
    return "".join(traceback.format_exception(error))


def _register(registry: Registry, name: str, module: ModuleType) -> None:
    manager = registry.manager
    try:
        manager.register(module, name=name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        raise PluginError(
            Problem(f"plugin {name}", str(error), "See core/hooks.py for every hook and its arguments.")
        ) from error


def _collect(registry: Registry) -> None:
    """Call the start-up hooks plugin by plugin, so that every component has an owner."""
    problems: list[Problem] = []
    for name, module in registry.manager.list_name_plugin():
        try:
            hooked = [hook for hook in hooks.CALLED_AT_START if _implements(registry, module, hook)]
            announced = {hook: list(getattr(module, hook)()) for hook in hooked}
        except Exception as error:  # as for imports
            _give_up(registry, name, error)
            continue
        for socket, (hook, contract) in SOCKETS.items():
            for component in announced.get(hook, ()):
                problems += _add(registry, socket, contract, component, name)
        registry.config_paths += [(path, name) for path in announced.get("config_paths", ())]
    if problems:
        raise PluginError(*problems)


def _give_up(registry: Registry, name: str, error: Exception) -> None:
    """Leave out a plugin whose start-up hook failed, as if its import had."""
    position = next(at for at, plugin in enumerate(registry.plugins) if plugin.name == name)
    plugin = registry.plugins[position]
    failure = _failure(f"plugin {name} ({plugin.origin}) cannot say what it announces", error)
    registry.plugins[position] = replace(plugin, failure=failure)
    registry.manager.unregister(name=name)


def _implements(registry: Registry, module: object, hook: str) -> bool:
    return hasattr(module, hook) and registry.manager.parse_hookimpl_opts(module, hook) is not None


def _add(
    registry: Registry, socket: str, contract: type[Component], component: object, owner: str
) -> Iterator[Problem]:
    where = f"plugin {owner}"
    if not (isinstance(component, type) and issubclass(component, contract)):
        yield Problem(where, f"{component!r} is not a subclass of {contract.__module__}.{contract.__name__}.")
        return
    name = component.__dict__.get("name", getattr(component, "name", None))
    if not isinstance(name, str) or "__dataclass_fields__" not in vars(component):
        yield Problem(where, f"{component.__name__} must be a @dataclass with a ClassVar `name`.")
        return
    if missing := sorted(getattr(component, "__abstractmethods__", ())):
        yield Problem(where, f"{component.__name__} does not implement {', '.join(missing)}.")
        return
    if name in registry.components[socket]:
        other = registry.owners[socket][name]
        yield Problem(
            where, f"the {socket} {name!r} is announced by {other} too.", f"Rename it, or set GRAFT_DISABLE={owner}."
        )
        return
    registry.components[socket][name] = component
    registry.owners[socket][name] = owner
