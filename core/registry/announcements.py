"""What one plugin announces, checked; and which plugins are left out because two announce one name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.component import Component
from core.errors import PluginError, Problem
from core.registry.option_types import unsupported_options
from core.registry.preset_files import directory, locate, presets_in

Contracts = Mapping[str, tuple[str, type[Component]]]
"""By extension point: its hook, and the class that its components extend."""


@dataclass
class Announcement:
    """What one plugin announces.

    Attributes:
        plugin: Its name.
        built_in: Whether Graft's own distribution carries it.
        components: By extension point and name.
        config_paths: Hydra search paths of its presets.
        presets: Group and name of each of its presets.
        problems: Why it must be left out.
    """

    plugin: str
    built_in: bool
    components: dict[tuple[str, str], type[Component]] = field(default_factory=dict)
    config_paths: list[str] = field(default_factory=list)
    presets: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def names(self) -> list[tuple[str, str]]:
        """Group and name of everything that a configuration could choose."""
        return [*self.components, *self.presets]


def read_announcement(
    plugin: str, built_in: bool, hooked: Mapping[str, Sequence[object]], contracts: Contracts
) -> Announcement:
    """Check what a plugin's hooks returned; what is wrong is in the `problems` of the result.

    Args:
        plugin: The plugin's name.
        built_in: Whether Graft's own distribution carries it.
        hooked: By hook, what it returned.
        contracts: The extension points.
    """
    found = Announcement(plugin, built_in)
    where = f"plugin {plugin}"
    for socket, (hook, contract) in contracts.items():
        for component in hooked.get(hook, ()):
            found.problems += [Problem(where, message) for message in _wrong(component, contract)]
            name = getattr(component, "name", None)
            if not (isinstance(component, type) and issubclass(component, Component) and isinstance(name, str)):
                continue
            if (socket, name) in found.components:
                found.problems.append(Problem(where, f"announces the {socket} {name!r} twice."))
            found.components[socket, name] = component
    for path in hooked.get("config_paths", ()):
        try:
            folder = locate(str(path), plugin)
        except PluginError as error:
            found.problems += error.problems
        else:
            found.config_paths.append(str(path))
            found.presets += [(preset.group, preset.name) for preset in presets_in(folder, plugin)]
    return found


def _wrong(component: object, contract: type[Component]) -> Iterator[str]:
    """Sentences about the first kind of fault that a component has."""
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
    """Return which plugins must be left out, by name, each with a sentence that says why.

    A name of Graft's own stays with Graft. Of two third parties with one name neither is preferred: both are left out
    until one is disabled.
    """
    left_out: dict[str, str] = {}
    own = {(preset.group, preset.name): "Graft" for preset in presets_in(directory(), "graft")}
    for each in sorted(announced, key=lambda each: not each.built_in):
        for group, name in each.names():
            if (group, name) in own:
                left_out.setdefault(each.plugin, f"the {group} {name!r} is announced by {own[group, name]} too")
            elif each.built_in:
                own[group, name] = each.plugin
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
