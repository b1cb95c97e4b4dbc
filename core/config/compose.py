"""Compose a `RunConfig` from the overrides on a command line, with Hydra."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import TypeVar

from hydra import compose, initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from core.component import Component
from core.config.overrides import (
    SCHEMA,
    choice_problems,
    first_value,
    is_group,
    is_hydra,
    parse,
    plain_value,
    sweep_problems,
    value_problems,
)
from core.config.presets import PresetFolders
from core.config.store import fix_entries, open_entries, share_entries, store_component
from core.config.variants import replacements
from core.contracts.components import RunConfig
from core.errors import ConfigError, Problem
from core.registry.preset_files import directory
from core.registry.registry import load_registry
from core.registry.variants import GROUPS, Replacements

SEARCH_PATH = "hydra.searchpath"

ComponentT = TypeVar("ComponentT", bound=Component)


class _PluginPresets(SearchPathPlugin):
    """Appends the preset folders of plugins to Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for path, owner in load_registry().config_paths:
            search_path.append(provider=owner, path=path)


def search_path_words(folders: PresetFolders, parsed: Sequence[Override]) -> list[str]:
    """Return the override that appends the folders of `--config-dir` to Hydra's search path, if there are any."""
    if not folders.own:
        return []
    given = [each.value() for each in parsed if each.key_or_group == SEARCH_PATH]
    others = [str(path) for value in given if isinstance(value, list) for path in value]
    paths = [f"file://{folder}" for folder in folders.own] + others
    return [f"{SEARCH_PATH}={json.dumps(paths, ensure_ascii=False)}"]


@cache
def install() -> None:
    """Store every component in Hydra's ConfigStore under its name. Done once per process."""
    store = ConfigStore.instance()
    store.store(name=SCHEMA, node=RunConfig)
    share_entries(store.repo)
    registry = load_registry()
    for group in GROUPS:
        for name, component in registry.components[group].items():
            store_component(group, component, registry.owners[group][name])
    Plugins.instance().register(_PluginPresets)
    OmegaConf.register_new_resolver("graft.stamp", stamp, use_cache=True)  # all runs of a sweep share it


def stamp() -> str:
    """Return a readable, unique name for a run; under torchrun it is the same in all processes."""
    import secrets  # slow to import, and only runs need it

    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{secrets.token_hex(2)}"
    if "TORCHELASTIC_RUN_ID" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return name
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    shared = TCPStore(host, port, is_master=False)
    key = f"graft/stamp/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    if os.environ.get("RANK") == "0":
        shared.set(key, name)
    name_of_rank_0: bytes = shared.get(key)
    return name_of_rank_0.decode()


@contextmanager
def _composing(folders: PresetFolders) -> Iterator[Callable[[list[str]], DictConfig]]:
    """Yield a function that composes a list of overrides."""
    install()
    folders.refuse_duplicates()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(directory()), version_base="1.3"):
        yield lambda overrides: compose("config", overrides=overrides)
    GlobalHydra.instance().clear()


def resolve(overrides: Sequence[str], several: bool = False, folders: PresetFolders | None = None) -> RunConfig:
    """Compose and check overrides such as `task=sentiment` and `train.epochs=5`.

    Args:
        overrides: Hydra overrides. For a sweep, the first run's configuration is returned.
        several: Whether an option can have several values, as in a multirun.
        folders: The folders of presets; None for those of Graft and of the plugins.

    Raises:
        ConfigError: The overrides have problems; each is listed with the nearest valid name.
    """
    folders = folders or PresetFolders.named()
    parsed = parse(overrides)
    with _composing(folders) as compose_config:
        choices = [each for each in parsed if is_group(each)]
        problems = [] if several else [problem for each in parsed for problem in sweep_problems(each)]
        problems += [problem for each in choices for problem in choice_problems(each, folders)]
        if problems:
            raise ConfigError(*problems)
        # Compose the chosen presets first: their options decide which other overrides are valid.
        search_path = search_path_words(folders, parsed)
        words = [word for each in choices for word in first_value(each)] + search_path
        base = _compose_choices(compose_config, words, parsed)
        values = [each for each in parsed if not is_group(each) and not is_hydra(each)]
        problems = [problem for each in values for problem in value_problems(each, base)]
        if problems:
            raise ConfigError(*problems)
        if len(choices) == len(parsed):
            return to_run_config(base)
        others = [each for each in parsed if not search_path or each.key_or_group != SEARCH_PATH]
        words = [word for each in others for word in first_value(each)] + search_path
        return to_run_config(_attempt(compose_config, words))


def _compose_choices(
    compose_config: Callable[[list[str]], DictConfig], words: list[str], parsed: Sequence[Override]
) -> DictConfig:
    """Compose the chosen presets, with the variants of components that the task's type needs.

    From then on, Hydra's store yields these variants.

    Args:
        compose_config: Composes overrides.
        words: The overrides that choose presets.
        parsed: All overrides; one of them can set the task's type.
    """
    open_entries(load_registry())
    base = _attempt(compose_config, words)
    given = [parse(first_value(each))[0].value() for each in parsed if each.key_or_group == "task.type"]
    replaced = replacements(base, str([base.task.type, *given][-1]))
    fix_entries(replaced)
    return _attempt(compose_config, words) if replaced or any(_undeclared_keys(base, "")) else base


def choose_variants(overrides: Sequence[str], folders: PresetFolders) -> None:
    """Let Hydra's store yield the variants of components that the chosen presets and the task's type need.

    Raises:
        ConfigError: The presets do not compose.
    """
    parsed = parse(overrides)
    words = [word for each in parsed if is_group(each) for word in first_value(each)]
    with _composing(folders) as compose_config:
        _compose_choices(compose_config, words + search_path_words(folders, parsed), parsed)


def recompose(overrides: list[str], replaced: Replacements, folders: PresetFolders) -> RunConfig:
    """Compose overrides again, with some components replaced by variants.

    Args:
        overrides: Overrides that Hydra composed already.
        replaced: The components to replace.
        folders: The folders of presets.

    Raises:
        ConfigError: An override sets an option that the variant does not have, or gives it a wrong type.
    """
    with _composing(folders) as compose_config:
        fix_entries(replaced)
        return to_run_config(_attempt(compose_config, overrides))


def with_overrides(place: str, component: ComponentT, overrides: Sequence[str]) -> ComponentT:
    """Return a copy of a component with overrides such as `data.path=reviews.csv`.

    Args:
        place: Its place in the configuration, such as `data`.
        component: The component; it is not changed.
        overrides: Hydra overrides of its options.

    Raises:
        ConfigError: The overrides have problems; each is listed with the nearest valid name.
    """
    parsed = parse(overrides)
    base = OmegaConf.create({place: OmegaConf.structured(component)})
    problems = [problem for each in parsed for problem in (*sweep_problems(each), *value_problems(each, base))]
    if problems:
        raise ConfigError(*problems)
    for each in parsed:
        value = plain_value(each.value())
        OmegaConf.update(base, each.key_or_group, value, merge=isinstance(value, dict))
    changed: dict[str, ComponentT] = OmegaConf.to_object(base)  # type: ignore[assignment]
    return changed[place]


def _attempt(compose_config: Callable[[list[str]], DictConfig], overrides: list[str]) -> DictConfig:
    """Compose overrides; turn an error of Hydra into a `ConfigError` that names the preset.

    Raises:
        ConfigError: Hydra or OmegaConf refuses a preset or an override.
    """
    try:
        return compose_config(overrides)
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        cause = error.__cause__ or error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        where = getattr(cause, "full_key", None) or ""
        message = " ".join(lines[:3]) or str(cause)
        missing = "Could not find" in message or "Could not load" in message
        cure = "`python -m core plugins` shows which plugins are loaded and which failed." if missing else ""
        raise ConfigError(Problem(str(where), message, cure, _preset_source(lines))) from error


def _preset_source(lines: Sequence[str]) -> str:
    """Return the preset that an error of Hydra names, or an empty text."""
    first = lines[0] if lines else ""
    return f"preset {first.split(chr(39))[1]}" if first.startswith("In '") else ""


def to_run_config(config: DictConfig) -> RunConfig:
    """Convert a composed configuration to dataclasses.

    Raises:
        ConfigError: A value is missing, has the wrong type, or is not an option.
    """
    undeclared = list(_undeclared_keys(config, ""))
    if undeclared:
        raise ConfigError(*(Problem(key, "is not an option.", "Remove it.") for key in undeclared))
    try:
        run_config = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise ConfigError(Problem(str(error.full_key or ""), str(error).partition("\n")[0])) from error
    assert isinstance(run_config, RunConfig)
    return run_config


def _undeclared_keys(node: DictConfig, path: str) -> Iterator[str]:
    """Yield keys that no dataclass declares; `+key=value` can add them."""
    schema = OmegaConf.get_type(node)
    declared = {each.name for each in fields(schema)} if schema is not None and is_dataclass(schema) else None
    for key in node:
        place = f"{path}.{key!s}".lstrip(".")
        if declared is not None and key not in declared:
            yield place
            continue
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_missing():
            yield from _undeclared_keys(child, place)
