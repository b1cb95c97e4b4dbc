"""Which plugins there are and what they announced: discovery, and the components by socket and name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from types import ModuleType

import pluggy

from core.component import Component
from core.contracts.components import AdapterMethod, DataAdapter, Metric, ModelLoader, Optimizer
from core.errors import PluginError, Problem, unknown
from core.registry import hookspecs
from core.registry.announcements import Announcement, conflicts, read_announcement
from core.registry.discovery import Plugin, failure_text, modules
from core.tasks.output import OutputSpec
from core.tasks.targets.target import TargetType
from core.tasks.task import Task
from core.tasks.task_type import TaskType

EXTENSION_POINTS: dict[str, tuple[str, type[Component]]] = {
    "task_type": ("task_types", TaskType),
    "target_type": ("target_types", TargetType),
    "model": ("model_loaders", ModelLoader),
    "data": ("data_adapters", DataAdapter),
    "method": ("adapter_methods", AdapterMethod),
    "metric": ("metrics", Metric),
    "optimizer": ("optimizers", Optimizer),
}
"""Each socket's name in the configuration, with its hook and the class that its components extend."""


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
    components: dict[str, dict[str, type[Component]]] = field(default_factory=lambda: {s: {} for s in EXTENSION_POINTS})
    owners: dict[str, dict[str, str]] = field(default_factory=lambda: {s: {} for s in EXTENSION_POINTS})
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

    def task_type(self, name: str) -> TaskType:
        """An instance of the kind of that name."""
        found = self.get("task_type", name)()
        assert isinstance(found, TaskType)
        return found

    def target(self, name: str) -> TargetType:
        """An instance of the target type of that name.

        Raises:
            PluginError: There is none; the nearest name is offered.
        """
        found = self.get("target_type", name)()
        assert isinstance(found, TargetType)
        return found

    def output(self, task: Task, labels: Sequence[str]) -> OutputSpec:
        """What is predicted for a task with these label names."""
        return OutputSpec(task, tuple(labels), self.target(task.target))

    def targets_of(self, task_type: TaskType) -> list[str]:
        """The names of the target types that a task type is learned with: what it lists, and what lists it."""
        own = [name for name, target in self.components["target_type"].items() if task_type.name in target.task_types]
        return [*task_type.targets, *(name for name in own if name not in task_type.targets)]

    def optimizer(self, name: str) -> Optimizer:
        """An instance of the optimizer of that name."""
        found = self.get("optimizer", name)()
        assert isinstance(found, Optimizer)
        return found


@cache
def load_registry() -> Registry:
    """Find every plugin and collect what it announces. Done once a process.

    A plugin that is wrong in any way is left out, with one line on standard error.

    Raises:
        PluginError: No plugin is installed at all; under `GRAFT_STRICT=1` also anything that is wrong with a plugin.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    registry, announced = Registry(manager), list[Announcement]()
    for plugin, module in modules():
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


def _announcement(registry: Registry, plugin: Plugin, module: ModuleType) -> list[Announcement]:
    """What a plugin announces; nothing where it fails, and the plugin is then left out."""
    manager, name = registry.manager, plugin.name
    try:
        manager.register(module, name=name)
        manager.check_pending()
        hooked = [hook for hook in hookspecs.CALLED_AT_START if _implements(registry, module, hook)]
        returned = {hook: list(getattr(module, hook)()) for hook in hooked}
        found = read_announcement(name, plugin.built_in, returned, EXTENSION_POINTS)
    except pluggy.PluginValidationError as error:
        _leave_out(
            registry, name, "is left out (see core/registry/hookspecs.py for every hook and its arguments)", error
        )
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
    failure = failure_text(f"plugin {name} ({plugin.origin}) {what}", error)
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
