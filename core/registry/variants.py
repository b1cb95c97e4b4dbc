"""Which component replaces another one for a task type, because it declares itself a variant of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from core.component import Component
from core.errors import ConfigError, Problem
from core.registry.registry import Registry

GROUPS = ("data", "model", "method", "metric")
"""The groups whose components a configuration chooses, and which can have variants."""

Replacements = Mapping[tuple[str, str], tuple[type[Component], str]]
"""Group and name of each component that is replaced -> the component that replaces it, and the plugin of that one."""


def variant_of(component: type[Component]) -> str:
    """Return the name of the component of which this one is a variant, or an empty text."""
    return str(getattr(component, "variant_of", ""))


def originals(registry: Registry) -> set[tuple[str, str]]:
    """Return group and name of every component that has a variant."""
    components = ((group, each) for group in GROUPS for each in registry.components[group].values())
    return {(group, variant_of(each)) for group, each in components if variant_of(each)}


def variants(registry: Registry, group: str, name: str) -> Iterator[type[Component]]:
    """Yield the variants of a component."""
    yield from (each for each in registry.components.get(group, {}).values() if variant_of(each) == name)


def supports(component: type[Component], task_type: str) -> bool:
    """Whether a component supports a task type; one that lists none supports all."""
    return not component.task_types or task_type in component.task_types


def replacement(registry: Registry, group: str, name: str, task_type: str) -> tuple[type[Component], str] | None:
    """Return the component that replaces another one for a task type, and its plugin; None if none does.

    A built-in variant has precedence over those of third parties.

    Raises:
        ConfigError: Several plugins announce a variant for the task type.
    """
    component = registry.components[group].get(name)
    if component is None or supports(component, task_type):
        return None
    owners = registry.owners[group]
    found = [each for each in variants(registry, group, name) if supports(each, task_type)]
    found = [each for each in found if registry.is_built_in(owners[each.name])] or found
    if len(found) > 1:
        names = " and ".join(f"{each.name} (plugin {owners[each.name]})" for each in found)
        message = f"{name} has several variants for the task type {task_type!r}: {names}."
        cure = f"Disable the plugin of the others with GRAFT_DISABLE=NAME, or choose one: {group}={found[0].name}."
        raise ConfigError(Problem(group, message, cure))
    return (found[0], owners[found[0].name]) if found else None


def description(component: type[Component]) -> str:
    """Return a clause such as `variant of encoder for word-tagging`, or an empty text for other components."""
    original = variant_of(component)
    return f"variant of {original} for {', '.join(component.task_types) or 'all task types'}" if original else ""
