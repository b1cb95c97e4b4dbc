"""From words on a command line to a `RunConfig`: the only module that knows Hydra and OmegaConf."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra import main as hydra_main
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
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
    as_given,
    bad_choice,
    bad_value,
    first,
    hydra_words,
    is_group,
    is_hydra,
    is_sweep,
    parse,
)
from core.config.presets import PresetFolders
from core.config.store import put, share
from core.contracts.components import RunConfig
from core.errors import ConfigError, Problem, RunError
from core.registry.preset_files import GROUPS, directory
from core.registry.registry import load_registry

SEARCH_PATH = "hydra.searchpath"


class _PluginPresets(SearchPathPlugin):
    """Puts the presets of plugins on Hydra's search path, behind Graft's own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for path, owner in load_registry().config_paths:
            search_path.append(provider=owner, path=path)


def _search_path(folders: PresetFolders, parsed: Sequence[Override]) -> list[str]:
    """The word that puts the folders of `--config-dir` on Hydra's search path, behind the plugins'."""
    if not folders.own:
        return []
    given = [each.value() for each in parsed if each.key_or_group == SEARCH_PATH]
    others = [str(path) for value in given if isinstance(value, list) for path in value]
    paths = [f"file://{folder}" for folder in folders.own] + others
    return [f"{SEARCH_PATH}={json.dumps(paths, ensure_ascii=False)}"]


@cache
def install() -> None:
    """Store every component in Hydra's ConfigStore under its name. Done once a process."""
    store = ConfigStore.instance()
    store.store(name=SCHEMA, node=RunConfig)
    share(store.repo)
    registry = load_registry()
    for socket in ("data", "model", "method", "metric"):
        for name, component in registry.components[socket].items():
            put(socket, component, registry.owners[socket][name])
    Plugins.instance().register(_PluginPresets)
    OmegaConf.register_new_resolver("graft.stamp", stamp, use_cache=True)  # the members of a sweep share it


def stamp() -> str:
    """A readable name that no other run has; under torchrun, the same in all processes."""
    import secrets  # only runs need it, and it takes a while to import

    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{secrets.token_hex(2)}"
    if "TORCHELASTIC_RUN_ID" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return name
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    shared = TCPStore(host, port, is_master=False)
    key = f"graft/stamp/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    if os.environ.get("RANK") == "0":
        shared.set(key, name)
    found: bytes = shared.get(key)
    return found.decode()


@contextmanager
def _composing(folders: PresetFolders) -> Iterator[Callable[[list[str]], DictConfig]]:
    """A function that composes a list of overrides."""
    install()
    folders.refuse_duplicates()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(directory()), version_base="1.3"):
        yield lambda overrides: compose("config", overrides=overrides)
    GlobalHydra.instance().clear()


def resolve(overrides: Sequence[str], several: bool = False, folders: PresetFolders | None = None) -> RunConfig:
    """Compose and check words such as `task=sentiment` and `train.epochs=5`.

    Args:
        overrides: Hydra overrides; of a sweep, the first member is returned.
        several: Whether an option may have several values, as in a multirun.
        folders: Where presets are looked for; None for Graft's own and the plugins'.

    Raises:
        ConfigError: Everything that is wrong with them, each with the nearest valid name.
    """
    folders = folders or PresetFolders.named()
    parsed = parse(overrides)
    with _composing(folders) as composed:
        choices = [each for each in parsed if is_group(each)]
        problems = [] if several else [problem for each in parsed for problem in is_sweep(each)]
        problems += [problem for each in choices for problem in bad_choice(each, folders)]
        if problems:
            raise ConfigError(*problems)
        first_words = [word for each in choices for word in first(each)] + _search_path(folders, parsed)
        base = _attempt(composed, first_words)
        values = [each for each in parsed if not is_group(each) and not is_hydra(each)]
        problems = [problem for each in values for problem in bad_value(each, base)]
        if problems:
            raise ConfigError(*problems)
        if len(choices) == len(parsed):
            return to_run_config(base)
        searched = _search_path(folders, parsed)
        kept = [each for each in parsed if not searched or each.key_or_group != SEARCH_PATH]
        return to_run_config(_attempt(composed, [word for each in kept for word in first(each)] + searched))


def changed(place: str, component: Component, overrides: Sequence[str]) -> Any:
    """Return a component with other values, given by words such as `data.path=reviews.csv`.

    Args:
        place: Its place in the configuration, such as `data`.
        component: The component, which stays as it is.
        overrides: Hydra overrides of its options.

    Raises:
        ConfigError: Everything that is wrong with them, each with the nearest valid name.
    """
    parsed = parse(overrides)
    base = OmegaConf.create({place: OmegaConf.structured(component)})
    problems = [problem for each in parsed for problem in (*is_sweep(each), *bad_value(each, base))]
    if problems:
        raise ConfigError(*problems)
    for each in parsed:
        value = as_given(each.value())
        OmegaConf.update(base, each.key_or_group, value, merge=isinstance(value, dict))
    return OmegaConf.to_object(base)[place]  # type: ignore[index, call-overload]


def _attempt(composed: Callable[[list[str]], DictConfig], overrides: list[str]) -> DictConfig:
    """Compose; what Hydra says of a preset file is told with its place."""
    try:
        return composed(overrides)
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        cause = error.__cause__ or error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        where = getattr(cause, "full_key", None) or ""
        message = " ".join(lines[:3]) or str(cause)
        absent = "Could not find" in message or "Could not load" in message
        cure = "`python -m core plugins` shows which plugins are loaded and which failed." if absent else ""
        raise ConfigError(Problem(str(where), message, cure, _preset_named(lines))) from error


def _preset_named(lines: Sequence[str]) -> str:
    first = lines[0] if lines else ""
    return f"preset {first.split(chr(39))[1]}" if first.startswith("In '") else ""


def to_run_config(config: DictConfig) -> RunConfig:
    """The composed configuration as dataclasses.

    Raises:
        ConfigError: A value is missing, has the wrong type, or is not an option at all.
    """
    strays = list(_strays(config, ""))
    if strays:
        raise ConfigError(*(Problem(stray, "is not an option.", "Remove it.") for stray in strays))
    try:
        found = OmegaConf.to_object(config)
    except OmegaConfBaseException as error:
        raise ConfigError(Problem(str(error.full_key or ""), str(error).partition("\n")[0])) from error
    assert isinstance(found, RunConfig)
    return found


def _strays(node: DictConfig, path: str) -> Iterator[str]:
    """Keys that no dataclass declares: what `+` smuggled in."""
    kind = OmegaConf.get_type(node)
    declared = {each.name for each in fields(kind)} if kind is not None and is_dataclass(kind) else None
    for key in node:
        place = f"{path}.{key!s}".lstrip(".")
        if declared is not None and key not in declared:
            yield place
            continue
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_missing():
            yield from _strays(child, place)


def _hydra_arguments(arguments: Sequence[str], folders: PresetFolders) -> list[str]:
    """The command line as Hydra's own parser takes it: its flags, and the overrides in one piece."""
    words = [each if each.startswith("-") or "=" not in each else parse([each])[0] for each in arguments]
    searched = _search_path(folders, [each for each in words if isinstance(each, Override)])
    place = next((at for at, word in enumerate(words) if isinstance(word, Override)), len(words))
    found: list[str] = []
    for at, word in enumerate([*words, ""]):
        if at == place:
            found += searched
        if isinstance(word, str):
            found += [word] if word else []
        elif not searched or word.key_or_group != SEARCH_PATH:
            found += hydra_words(word)
    return found


def launch(
    arguments: Sequence[str],
    work: Callable[[RunConfig, Path, dict[str, str]], float],
    failed: Callable[[Exception], None],
    folders: PresetFolders,
) -> None:
    """Hand over to Hydra: make the run's folder (or one each for the members of a sweep) and do the work.

    Args:
        arguments: The command line as Hydra takes it.
        work: Trains one member in its folder, told which preset was chosen in each group; returns the primary metric
            on validation.
        failed: Told what ended a member; the others of a sweep go on.
        folders: Where presets are looked for.
    """
    install()

    def job(config: DictConfig) -> float:
        runtime = HydraConfig.get().runtime
        choices = {group: str(runtime.choices[group]) for group in GROUPS if runtime.choices.get(group)}
        try:
            return work(to_run_config(config), Path(runtime.output_dir), choices)
        except Exception as error:  # one member's end must not be the others'
            failed(error)
            return math.nan

    sys.argv[1:] = _hydra_arguments(arguments, folders)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # what Hydra finds wrong is told in Graft's words, not in its own
    try:
        hydra_main(config_path=str(directory()), config_name="config", version_base="1.3")(job)()
    except HydraException as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        cure = "Choose another folder with hydra.run.dir=… (or hydra.sweep.dir=… of a sweep)."
        where = str(error.filename or "the run's folder")
        raise RunError(Problem(where, f"cannot be made: {error.strerror or error}.", cure)) from error
