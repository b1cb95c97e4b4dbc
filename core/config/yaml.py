"""Convert plain values to and from YAML, and to typed dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from core.errors import ConfigError, Problem


def typed(schema: type[Any], values: Mapping[str, Any]) -> Any:
    """Return an instance of a dataclass; each value is checked against its type.

    Raises:
        ConfigError: Some values have a wrong type; each is listed.
    """
    config, problems = OmegaConf.structured(schema), []
    for key, value in values.items():
        try:
            OmegaConf.update(config, key, value)
        except OmegaConfBaseException as error:
            problems.append(Problem(key, str(error).partition("\n")[0]))
    if problems:
        raise ConfigError(*problems)
    return OmegaConf.to_object(config)


def to_yaml(plain: Mapping[str, Any]) -> str:
    """Return plain values as YAML."""
    return OmegaConf.to_yaml(OmegaConf.create(dict(plain)))


def from_yaml(text: str) -> dict[str, Any]:
    """Return the plain values in YAML.

    Raises:
        ConfigError: The text is not YAML, or not a mapping.
    """
    try:
        plain = OmegaConf.to_container(OmegaConf.create(text))
    except Exception as error:  # the YAML parser raises errors of several classes
        raise ConfigError(f"not valid YAML: {error}") from error
    if not isinstance(plain, dict):
        raise ConfigError("not a mapping")
    return {str(key): value for key, value in plain.items()}
