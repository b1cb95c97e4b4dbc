"""Load all plugins and collect their components, by group and name.

A group is the name of an extension point in the configuration, such as `model` or `metric`.
"""

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
"""For each group, its hook and the base class of its components."""


@dataclass
class Registry:
    """Components by group and name, and the plugins that announced them.

    Attributes:
        manager: Pluggy's manager of the plugins.
        plugins: All plugins, including those that failed.
        components: `components[group][name]` is a component class.
        owners: `owners[group][name]` is the name of the plugin that announced the component.
        config_paths: Hydra search paths of presets, each with the name of its plugin.
        left_out: Components and presets of plugins that were left out: (group, name) -> name of the plugin.
    """

    manager: pluggy.PluginManager
    plugins: list[Plugin] = field(default_factory=list)
    components: dict[str, dict[str, type[Component]]] = field(default_factory=lambda: {s: {} for s in EXTENSION_POINTS})
    owners: dict[str, dict[str, str]] = field(default_factory=lambda: {s: {} for s in EXTENSION_POINTS})
    config_paths: list[tuple[str, str]] = field(default_factory=list)
    left_out: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def hook(self) -> pluggy.HookRelay:
        """Pluggy's hook relay, to call observers."""
        return self.manager.hook

    def get(self, group: str, name: str) -> type[Component]:
        """Return a component class.

        Raises:
            PluginError: There is no such component; the message suggests the nearest name.
        """
        if name not in self.components[group]:
            raise PluginError(Problem(group, *self.unknown(group, name, list(self.components[group]))))
        return self.components[group][name]

    def unknown(self, group: str, name: str, options: Sequence[str]) -> tuple[str, str]:
        """Return the message and the cure for a name that does not exist, with the plugins that were left out."""
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
        """Whether the plugin `owner` is part of Graft."""
        return owner == "graft" or any(each.built_in for each in self.plugins if each.name == owner)

    def task_type(self, name: str) -> TaskType:
        """Return an instance of a task type.

        Raises:
            PluginError: There is no such task type; the message suggests the nearest name.
        """
        task_type = self.get("task_type", name)()
        assert isinstance(task_type, TaskType)
        return task_type

    def target(self, name: str) -> TargetType:
        """Return an instance of a target type.

        Raises:
            PluginError: There is no such target type; the message suggests the nearest name.
        """
        target = self.get("target_type", name)()
        assert isinstance(target, TargetType)
        return target

    def output(self, task: Task, labels: Sequence[str]) -> OutputSpec:
        """Return what a model for this task predicts: the task, its label names and its target type."""
        return OutputSpec(task, tuple(labels), self.target(task.target), self.task_type(task.type))

    def targets_of(self, task_type: TaskType) -> list[str]:
        """Return the names of the target types for a task type: those that it lists, and those that list it."""
        listing = [
            name for name, target in self.components["target_type"].items() if task_type.name in target.task_types
        ]
        return [*task_type.targets, *(name for name in listing if name not in task_type.targets)]

    def optimizer(self, name: str) -> Optimizer:
        """Return an instance of an optimizer.

        Raises:
            PluginError: There is no such optimizer; the message suggests the nearest name.
        """
        optimizer = self.get("optimizer", name)()
        assert isinstance(optimizer, Optimizer)
        return optimizer


@cache
def load_registry() -> Registry:
    """Load every plugin and return what they announce. Done once per process.

    A plugin with a problem is left out, with one line on standard error.

    Raises:
        PluginError: No plugin is installed; with `GRAFT_STRICT=1`, also if a plugin has a problem.
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
    """Return what a plugin announces, or an empty list if it fails; the plugin is then left out."""
    manager, name = registry.manager, plugin.name
    try:
        manager.register(module, name=name)
        manager.check_pending()
        hooked = [hook for hook in hookspecs.CALLED_AT_START if _implements(registry, module, hook)]
        returned = {hook: list(getattr(module, hook)()) for hook in hooked}
        announcement = read_announcement(name, plugin.built_in, returned, EXTENSION_POINTS)
    except pluggy.PluginValidationError as error:
        _leave_out(
            registry, name, "is left out (see core/registry/hookspecs.py for every hook and its arguments)", error
        )
    except Exception as error:  # a plugin can fail in any way; the others must still load
        _leave_out(registry, name, "failed in a hook", error)
    else:
        if announcement.problems:
            _leave_out(registry, name, "is left out", PluginError(*announcement.problems))
        return [announcement]
    return []


def _leave_out(registry: Registry, name: str, what: str, error: Exception) -> None:
    """Leave out a plugin, as if its import had failed."""
    position = next(at for at, plugin in enumerate(registry.plugins) if plugin.name == name)
    plugin = registry.plugins[position]
    failure = failure_text(f"plugin {name} ({plugin.origin}) {what}", error)
    registry.plugins[position] = replace(plugin, failure=failure)
    if registry.manager.has_plugin(name):
        registry.manager.unregister(name=name)


def _implements(registry: Registry, module: object, hook: str) -> bool:
    return hasattr(module, hook) and registry.manager.parse_hookimpl_opts(module, hook) is not None


def _add(registry: Registry, announced: Announcement) -> None:
    """Add what a plugin announces; if the plugin was left out, remember the names for error messages."""
    plugin = announced.plugin
    if not registry.manager.has_plugin(plugin):
        registry.left_out |= dict.fromkeys(announced.names(), plugin)
        return
    for (group, name), component in announced.components.items():
        registry.components[group][name] = component
        registry.owners[group][name] = plugin
    registry.config_paths += [(path, plugin) for path in announced.config_paths]
