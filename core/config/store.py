"""Put components into Hydra's store. Each schema is built on first use, so that the start stays fast."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from hydra.core.config_store import ConfigNode, ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from core.component import Component
from core.errors import PluginError, Problem
from core.registry.registry import Registry
from core.registry.variants import GROUPS, Replacements, originals


class LazyNode(ConfigNode):
    """An entry of Hydra's store that builds its schema on first use.

    Hydra copies its whole store for each composition, and copies a schema again before it uses it. So the copies of the
    store can share their entries.

    Attributes:
        component: The component that was stored.
        variant: The component that replaces it, with the plugin that announced it; None if nothing does.
        open: Whether the schema accepts options that it does not declare.
    """

    def __init__(self, group: str, component: type[Component], owner: str) -> None:
        self.name, self.group, self.package, self.provider = f"{component.name}.yaml", group, None, owner
        self.component = component
        self.variant: tuple[type[Component], str] | None = None
        self.open = False

    def __getattr__(self, name: str) -> Any:
        if name == "node":
            component, owner = self.variant or (self.component, str(self.provider))
            return open_schema(component, owner) if self.open else schema(component, owner)
        raise AttributeError(name)

    def __deepcopy__(self, memo: dict[int, Any]) -> LazyNode:
        return self


class SharedNode(ConfigNode):
    """An entry of Hydra itself that the copies of the store share."""

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedNode:
        return self


@cache
def schema(component: type[Component], owner: str) -> DictConfig:
    """Return the schema of a component's options.

    Raises:
        PluginError: An option has a type that cannot be configured.
    """
    try:
        config: DictConfig = OmegaConf.structured(component)
        return config
    except OmegaConfBaseException as error:
        reason = str(error).partition("\n")[0]
        message = f"{component.name} has an option of a type that cannot be configured: {reason}"
        cure = "Use bool, int, float, str, | None, list and dict."
        raise PluginError(Problem(f"plugin {owner}", message, cure)) from error


@cache
def open_schema(component: type[Component], owner: str) -> DictConfig:
    """Return the schema of a component's options as one that accepts other options too.

    Raises:
        PluginError: An option has a type that cannot be configured.
    """
    config = schema(component, owner).copy()
    OmegaConf.set_struct(config, False)
    return config


def store_component(group: str, component: type[Component], owner: str) -> None:
    """Store a component under its name."""
    group_of: dict[str, Any] = ConfigStore.instance().repo.setdefault(group, {})
    node = LazyNode(group, component, owner)
    group_of[node.name] = node


def share_entries(entries: dict[str, Any]) -> None:
    """Make the current entries of Hydra's store shared by its copies."""
    for key, entry in entries.items():
        if isinstance(entry, dict):
            share_entries(entry)
        elif type(entry) is ConfigNode:
            entries[key] = SharedNode(**vars(entry))


def open_entries(registry: Registry) -> None:
    """Let the entries of components with variants accept other options, until the variants for a task are known."""
    names = originals(registry)
    for node in _lazy_entries():
        node.variant, node.open = None, (str(node.group), node.component.name) in names


def fix_entries(replaced: Replacements) -> None:
    """Let each entry accept the options of one component only: of its own, or of the one that replaces it."""
    for node in _lazy_entries():
        node.variant, node.open = replaced.get((str(node.group), node.component.name)), False


def _lazy_entries() -> Iterator[LazyNode]:
    for group in GROUPS:
        nodes = ConfigStore.instance().repo.get(group, {}).values()
        yield from (node for node in nodes if isinstance(node, LazyNode))
