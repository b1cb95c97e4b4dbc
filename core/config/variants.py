"""Find the components of a composed configuration that variants replace."""

from __future__ import annotations

from collections.abc import Iterator

from omegaconf import DictConfig, OmegaConf

from core.contracts.components import EXTENSION_POINTS
from core.registry.registry import load_registry
from core.registry.variants import Replacements, replacement


def replacements(config: DictConfig, task_type: str) -> Replacements:
    """Return the components that a configuration chooses and that variants replace for a task type.

    Raises:
        ConfigError: A component has several variants for the task type.
    """
    registry = load_registry()
    found = {chosen: replacement(registry, *chosen, task_type) for chosen in _chosen(config)}
    return {chosen: each for chosen, each in found.items() if each is not None}


def _chosen(config: DictConfig) -> Iterator[tuple[str, str]]:
    """Yield group and name of every component in a composed configuration."""
    schemas = [(group, OmegaConf.get_type(config, group)) for group in EXTENSION_POINTS]
    schemas += [("metric", OmegaConf.get_type(config.metrics, key)) for key in config.metrics]
    for group, schema in schemas:
        name = getattr(schema, "name", None)
        if isinstance(name, str):
            yield group, name
