"""Check each override of a command line: whether its option or preset exists and its value has the right type."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from core.component import Component
from core.config.presets import PresetFolders
from core.config.renamed import new_choice, new_option
from core.errors import ConfigError, Problem, nearest
from core.registry import preset_files
from core.registry.registry import load_registry

COMMAND_LINE = "the command line"
SCHEMA = "graft"
GROUPS = (*preset_files.GROUPS, "metric")


def parse(overrides: Sequence[str]) -> list[Override]:
    """Parse each argument as a Hydra override.

    Raises:
        ConfigError: Some arguments are not overrides; each is listed.
    """
    parser, parsed, problems = OverridesParser.create(), [], []
    for text in overrides:
        try:
            parsed.append(parser.parse_override(text))
        except HydraException as error:
            cure = "Write key=value; quote values with spaces, commas or brackets: 'data.path=\"my file.csv\"'."
            problems.append(Problem(text, str(error).partition("\n")[0], cure, COMMAND_LINE))
    if problems:
        raise ConfigError(*problems)
    return parsed


def is_group(override: Override) -> bool:
    """Whether an override chooses a preset or a component, such as `model=roberta`."""
    return override.key_or_group in GROUPS or override.key_or_group.startswith(("hydra/", "metric/"))


def is_hydra(override: Override) -> bool:
    """Whether an override sets an option of Hydra."""
    return override.key_or_group.split(".")[0] == "hydra"


def hydra_words(override: Override) -> list[str]:
    """Return an override as Hydra expects it; `++` lets a mapping (`key={a: 1}`) get new keys."""
    word = str(override.input_line)
    if override.is_sweep_override() or override.is_add() or override.is_force_add() or override.is_delete():
        return [word]
    value = override.value()
    if not isinstance(value, dict):
        return [word]
    if all(isinstance(key, str) for key in value):
        return [f"++{word}"]
    return [f"++{override.key_or_group}.{key}={json.dumps(str(name))}" for key, name in value.items()]


def sweep_problems(override: Override) -> Iterator[Problem]:
    """Yield a problem if an override has several values where one is allowed."""
    if override.is_sweep_override():
        cure = f"Add -m for one run per value, or write a list as {override.key_or_group}=[a,b]."
        yield Problem(override.key_or_group, "has several values.", cure, COMMAND_LINE)


def first_value(override: Override) -> list[str]:
    """Return an override as Hydra expects it; for a sweep, with the first value only."""
    if not override.is_sweep_override():
        return hydra_words(override)
    value = next(iter(override.sweep_string_iterator()))
    return [f"{override.get_key_element()}={value}"]


def choice_problems(override: Override, folders: PresetFolders) -> Iterator[Problem]:
    """Yield a problem for each name that does not exist in the group."""
    group = override.key_or_group
    if group not in GROUPS or override.is_delete():
        return
    options = folders.names(group)
    values = override.sweep_string_iterator() if override.is_sweep_override() else [override.value()]
    for value in values:
        if value is None:
            cure = f"Leave it out, or choose one of: {', '.join(options)}."
            yield Problem(group, "needs a name.", cure, COMMAND_LINE)
        elif str(value) not in options:
            if new := new_choice(group, str(value), options):
                yield Problem(group, f"{value} was renamed to {new}.", f"Write {group}={new}.", COMMAND_LINE)
                continue
            message, cure = folders.registry.unknown(group, str(value), options)
            other = next((name for name in GROUPS if str(value) in folders.names(name)), None)
            if other:
                cure = f"There is a {other} with this name: {other}={value}. " + cure
            yield Problem(group, message, cure, COMMAND_LINE)


def value_problems(override: Override, base: DictConfig) -> Iterator[Problem]:
    """Yield a problem for each option that does not exist and each value of a wrong type."""
    key = override.key_or_group
    if override.is_delete():
        if OmegaConf.select(base, key) is None or not key.startswith("metrics."):
            yield Problem(key, "cannot be deleted; only an entry of `metrics` can.", "", COMMAND_LINE)
        return
    parent_key, _, leaf = key.rpartition(".")
    place = _missing_prefix(base, key)
    if place is not None:
        yield Problem(key, *(_renamed_key(override, place, base) or _unknown_key(place, base)), COMMAND_LINE)
        return
    if override.is_add():
        message = "cannot be added: `+` is not needed for an option that exists."
        yield Problem(key, message, f"Write {key}={override.value()}.", COMMAND_LINE)
        return
    parent = OmegaConf.select(base, parent_key) if parent_key else base
    values = list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]
    for value in values:
        problem = _wrong_type(parent, leaf, value)
        if problem:
            yield Problem(key, problem, "", COMMAND_LINE)


def _missing_prefix(base: DictConfig, key: str) -> str | None:
    """Return the shortest prefix of a dotted key that does not exist, or None if the key exists."""
    node: Any = base
    path: list[str] = []
    for part in key.split("."):
        path.append(part)
        if not isinstance(node, DictConfig) or part not in node:
            return ".".join(path)
        node = node._get_node(part)
        if isinstance(node, DictConfig) and (node._is_none() or node._is_missing()):
            node = OmegaConf.create({})
    return None


def _renamed_key(override: Override, place: str, base: DictConfig) -> tuple[str, str] | None:
    """Return the message and the cure for an option that was renamed, or None."""
    parent, _, leaf = place.rpartition(".")
    node = OmegaConf.select(base, parent) if parent else base
    owner = OmegaConf.get_type(node) if isinstance(node, DictConfig) else None
    if owner is None or not is_dataclass(owner):
        return None
    group = "metric" if parent.startswith("metrics.") else parent
    component = owner.__dict__.get("name") if issubclass(owner, Component) else None
    new = new_option(f"{group}/{component}" if component else group, owner, leaf)
    if new is None:
        return None
    rest = override.key_or_group.removeprefix(place)
    _, _, value = str(override.input_line).partition("=")
    return f"was renamed to {parent}.{new}.", f"Write {parent}.{new}{rest}={value}"


def _unknown_key(place: str, base: DictConfig) -> tuple[str, str]:
    """Return the message and the cure for an option that does not exist."""
    parent, _, leaf = place.rpartition(".")
    node = OmegaConf.select(base, parent) if parent else base
    names = [str(name) for name in node if parent or name != "hydra"] if isinstance(node, DictConfig) else []
    owner = OmegaConf.get_type(node) if isinstance(node, DictConfig) else None
    chosen = getattr(owner, "name", "") if isinstance(getattr(owner, "name", ""), str) else ""
    message = (
        f"is not an option of {parent}={chosen}." if chosen else f"is not an option{f' of {parent}' if parent else ''}."
    )
    close = nearest(leaf, names)
    if close:
        return message, f"Did you mean {f'{parent}.{close}'.lstrip('.')}?"
    others = [
        f"{parent}={name}"
        for name, component in load_registry().components.get(parent, {}).items()
        if leaf in {each.name for each in fields(component)}
    ]
    if others:
        return message, f"It is an option of {' and of '.join(others)}."
    return message, f"There are: {', '.join(names) or 'none'}."


def plain_value(value: Any) -> Any:
    """Return plain values: strings without quotes, and the keys of mappings as text."""
    if isinstance(value, dict):
        return {str(key): plain_value(each) for key, each in value.items()}
    return str(value) if isinstance(value, str) else value


def _wrong_type(parent: Any, leaf: str, value: Any) -> str | None:
    """Return OmegaConf's message if an option does not accept a value, else None."""
    if not isinstance(parent, DictConfig):
        return None
    trial = OmegaConf.create({"x": parent.copy()})["x"]
    try:
        OmegaConf.update(trial, leaf, plain_value(value))
    except OmegaConfBaseException as error:
        return str(error).partition("\n")[0]
    return None
