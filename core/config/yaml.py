"""Plain values, YAML and typed dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from core.errors import ConfigError, Problem


def typed(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """An instance of a dataclass from plain values, each checked against its type.

    Raises:
        ConfigError: Every value of a wrong type.
    """
    config, problems = OmegaConf.structured(kind), []
    for key, value in values.items():
        try:
            OmegaConf.update(config, key, value)
        except OmegaConfBaseException as error:
            problems.append(Problem(key, str(error).partition("\n")[0]))
    if problems:
        raise ConfigError(*problems)
    return OmegaConf.to_object(config)


def to_yaml(plain: Mapping[str, Any]) -> str:
    """Plain values as YAML."""
    return OmegaConf.to_yaml(OmegaConf.create(dict(plain)))


def from_yaml(text: str) -> dict[str, Any]:
    """Plain values from YAML.

    Raises:
        ConfigError: It is not YAML, or not a mapping.
    """
    try:
        plain = OmegaConf.to_container(OmegaConf.create(text))
    except Exception as error:  # the YAML parser's own errors, of several kinds
        raise ConfigError(f"not valid YAML: {error}") from error
    if not isinstance(plain, dict):
        raise ConfigError("not a mapping")
    return {str(key): value for key, value in plain.items()}
