"""Put components into Hydra's store. Each schema is built on first use, so that the start stays fast."""

from __future__ import annotations

from functools import cache
from typing import Any

from hydra.core.config_store import ConfigNode, ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from core.component import Component
from core.errors import PluginError, Problem


class LazyNode(ConfigNode):
    """An entry of Hydra's store that builds its schema on first use.

    Hydra copies its whole store for each composition, and copies a schema again before it uses it. So the copies of the
    store can share their entries.
    """

    def __init__(self, group: str, component: type[Component], owner: str) -> None:
        self.name, self.group, self.package, self.provider = f"{component.name}.yaml", group, None, owner
        self.component = component

    def __getattr__(self, name: str) -> Any:
        if name == "node":
            return schema(self.component, str(self.provider))
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
