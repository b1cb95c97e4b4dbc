"""Check what each plugin announces, and leave out plugins whose names conflict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.component import Component
from core.errors import PluginError, Problem
from core.registry.option_types import unsupported_options
from core.registry.preset_files import directory, locate, presets_in

Contracts = Mapping[str, tuple[str, type[Component]]]
"""For each group, its hook and the base class of its components."""


@dataclass
class Announcement:
    """What one plugin announces.

    Attributes:
        plugin: Name of the plugin.
        built_in: Whether it is part of Graft's distribution.
        components: Component classes by group and name.
        config_paths: Hydra search paths of its presets.
        presets: Group and name of each preset.
        problems: Why the plugin must be left out; empty if it is valid.
    """

    plugin: str
    built_in: bool
    components: dict[tuple[str, str], type[Component]] = field(default_factory=dict)
    config_paths: list[str] = field(default_factory=list)
    presets: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def names(self) -> list[tuple[str, str]]:
        """Return group and name of every component and preset."""
        return [*self.components, *self.presets]


def read_announcement(
    plugin: str, built_in: bool, hooked: Mapping[str, Sequence[object]], contracts: Contracts
) -> Announcement:
    """Check what the hooks of a plugin returned. Problems are in the `problems` of the result.

    Args:
        plugin: Name of the plugin.
        built_in: Whether it is part of Graft's distribution.
        hooked: What each hook returned.
        contracts: The extension points.
    """
    result = Announcement(plugin, built_in)
    where = f"plugin {plugin}"
    for group, (hook, contract) in contracts.items():
        for component in hooked.get(hook, ()):
            result.problems += [Problem(where, message) for message in _problems_of(component, contract)]
            name = getattr(component, "name", None)
            if not (isinstance(component, type) and issubclass(component, Component) and isinstance(name, str)):
                continue
            if (group, name) in result.components:
                result.problems.append(Problem(where, f"announces the {group} {name!r} twice."))
            result.components[group, name] = component
    for path in hooked.get("config_paths", ()):
        try:
            folder = locate(str(path), plugin)
        except PluginError as error:
            result.problems += error.problems
        else:
            result.config_paths.append(str(path))
            result.presets += [(preset.group, preset.name) for preset in presets_in(folder, plugin)]
    return result


def _problems_of(component: object, contract: type[Component]) -> Iterator[str]:
    """Yield sentences about the first problem of a component: class, dataclass, abstract methods or options."""
    if not (isinstance(component, type) and issubclass(component, contract)):
        yield f"{component!r} is not a subclass of {contract.__module__}.{contract.__name__}."
        return
    name = component.__dict__.get("name", getattr(component, "name", None))
    if not isinstance(name, str) or "__dataclass_fields__" not in vars(component):
        yield f"{component.__name__} must be a @dataclass with a ClassVar `name`."
    elif missing := sorted(getattr(component, "__abstractmethods__", ())):
        yield f"{component.__name__} does not implement {', '.join(missing)}."
    else:
        yield from (f"{name}: {sentence}" for sentence in unsupported_options(component))


def conflicts(announced: Sequence[Announcement]) -> dict[str, str]:
    """Return the plugins that must be left out, each with the reason as a clause.

    A built-in component keeps its name. If two third-party plugins announce the same name, both are left out until the
    user disables one.
    """
    left_out: dict[str, str] = {}
    built_in = {(preset.group, preset.name): "Graft" for preset in presets_in(directory(), "graft")}
    for each in sorted(announced, key=lambda each: not each.built_in):
        for group, name in each.names():
            if (group, name) in built_in:
                owner = built_in[group, name]
                left_out.setdefault(each.plugin, f"the {group} {name!r} is announced by {owner} too")
            elif each.built_in:
                built_in[group, name] = each.plugin
    claims: dict[tuple[str, str], list[str]] = {}
    for each in announced:
        if not each.built_in and each.plugin not in left_out:
            for key in each.names():
                claims.setdefault(key, []).append(each.plugin)
    for (group, name), plugins in claims.items():
        for plugin in plugins if len(set(plugins)) > 1 else ():
            others = ", ".join(sorted(set(plugins) - {plugin}))
            left_out.setdefault(plugin, f"the {group} {name!r} is announced by {others} too")
    return left_out
