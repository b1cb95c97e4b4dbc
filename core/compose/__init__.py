"""From words on a command line to a `RunConfig`: the only module that knows Hydra and OmegaConf."""

from __future__ import annotations

import math
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra import main as hydra_main
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from core import presets
from core.compose.overrides import (
    SCHEMA,
    bad_choice,
    bad_value,
    first,
    group_options,
    hydra_words,
    is_group,
    is_hydra,
    is_sweep,
    parse,
)
from core.compose.store import put, share
from core.compose.values import from_yaml, to_yaml, typed
from core.config import RunConfig
from core.errors import ConfigError, Problem, RunError
from core.registry import load

__all__ = ["from_yaml", "install", "launch", "resolve", "stamp", "to_run_config", "to_yaml", "typed"]


class _PluginPresets(SearchPathPlugin):
    """Puts the presets of plugins on Hydra's search path, behind Graft's own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for path, owner in load().config_paths:
            search_path.append(provider=owner, path=path)
        for folder in presets.own:
            search_path.append(provider="--config-dir", path=f"file://{folder}")


@cache
def install() -> None:
    """Store every component in Hydra's ConfigStore under its name. Done once a process."""
    store = ConfigStore.instance()
    store.store(name=SCHEMA, node=RunConfig)
    share(store.repo)
    registry = load()
    for socket in ("data", "model", "method", "metric"):
        for name, component in registry.components[socket].items():
            put(socket, component, registry.owners[socket][name])
    Plugins.instance().register(_PluginPresets)
    OmegaConf.register_new_resolver("graft.stamp", stamp, use_cache=True)  # the members of a sweep share it


def stamp() -> str:
    """A readable name that no other run has; under torchrun, the same in all processes."""
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
def _composing() -> Iterator[Callable[[list[str]], DictConfig]]:
    """A function that composes a list of overrides."""
    install()
    presets.refuse_duplicates()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(presets.directory()), version_base="1.3"):
        yield lambda overrides: compose("config", overrides=overrides)
    GlobalHydra.instance().clear()


def resolve(overrides: Sequence[str], several: bool = False) -> RunConfig:
    """Compose and check words such as `task=sentiment` and `train.epochs=5`.

    Args:
        overrides: Hydra overrides; of a sweep, the first member is returned.
        several: Whether an option may have several values, as in a multirun.

    Raises:
        ConfigError: Everything that is wrong with them, each with the nearest valid name.
    """
    parsed = parse(overrides)
    with _composing() as composed:
        options = group_options()
        choices = [each for each in parsed if is_group(each)]
        problems = [] if several else [problem for each in parsed for problem in is_sweep(each)]
        problems += [problem for each in choices for problem in bad_choice(each, options)]
        if problems:
            raise ConfigError(*problems)
        base = _attempt(composed, [word for each in choices for word in first(each)])
        values = [each for each in parsed if not is_group(each) and not is_hydra(each)]
        problems = [problem for each in values for problem in bad_value(each, base)]
        if problems:
            raise ConfigError(*problems)
        return to_run_config(_attempt(composed, [word for each in parsed for word in first(each)]))


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


def launch(
    arguments: Sequence[str],
    work: Callable[[RunConfig, Path, dict[str, str]], float],
    failed: Callable[[Exception], None],
) -> None:
    """Hand over to Hydra: make the run's folder (or one each for the members of a sweep) and do the work.

    Args:
        arguments: The command line as Hydra takes it.
        work: Trains one member in its folder, told which preset was chosen in each group; returns the primary metric
            on validation.
        failed: Told what ended a member; the others of a sweep go on.
    """
    install()

    def job(config: DictConfig) -> float:
        runtime = HydraConfig.get().runtime
        choices = {group: str(runtime.choices[group]) for group in presets.GROUPS if runtime.choices.get(group)}
        try:
            return work(to_run_config(config), Path(runtime.output_dir), choices)
        except Exception as error:  # one member's end must not be the others'
            failed(error)
            return math.nan

    sys.argv[1:] = [
        word
        for given in arguments
        for word in ([given] if given.startswith("-") or "=" not in given else hydra_words(parse([given])[0]))
    ]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # what Hydra finds wrong is told in Graft's words, not in its own
    try:
        hydra_main(config_path=str(presets.directory()), config_name="config", version_base="1.3")(job)()
    except HydraException as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        cure = "Choose another folder with hydra.run.dir=… (or hydra.sweep.dir=… of a sweep)."
        where = str(error.filename or "the run's folder")
        raise RunError(Problem(where, f"cannot be made: {error.strerror or error}.", cure)) from error
