"""From words on a command line to a `RunConfig`: the only module that knows Hydra and OmegaConf."""

from __future__ import annotations

import math
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf, ValidationError
from omegaconf.errors import OmegaConfBaseException

from core import presets
from core.config import RunConfig
from core.errors import ConfigError, Problem, nearest, unknown
from core.registry import load

SCHEMA = "graft"
COMMAND_LINE = "the command line"
GROUPS = (*presets.GROUPS, "metric")


class _PluginPresets(SearchPathPlugin):
    """Puts the presets of plugins on Hydra's search path, behind Graft's own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for path, owner in load().config_paths:
            search_path.append(provider=owner, path=path)


@cache
def install() -> None:
    """Store every component in Hydra's ConfigStore under its name. Done once a process."""
    store = ConfigStore.instance()
    store.store(name=SCHEMA, node=RunConfig)
    for socket in ("data", "model", "method", "metric"):
        for name, component in load().components[socket].items():
            store.store(group=socket, name=name, node=component)
    Plugins.instance().register(_PluginPresets)
    OmegaConf.register_new_resolver("graft.stamp", stamp)
    presets.refuse_duplicates()


def stamp() -> str:
    """A readable name that no other run has; under torchrun, the same in all processes."""
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{secrets.token_hex(2)}"
    if "TORCHELASTIC_RUN_ID" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return name
    from torch.distributed import TCPStore

    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    shared = TCPStore(host, port, is_master=False)
    key = f"graft/stamp/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    if os.environ.get("RANK") == "0":
        shared.set(key, name)
    found: bytes = shared.get(key)
    return found.decode()


@contextmanager
def _composing(config_dir: str | None = None) -> Iterator[Callable[[list[str]], DictConfig]]:
    """A function that composes a list of overrides."""
    install()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(presets.directory()), version_base="1.3"):
        if config_dir:
            search_path = GlobalHydra.instance().config_loader().get_search_path()
            search_path.append("command line", f"file://{Path(config_dir).absolute()}")
        yield lambda overrides: compose("config", overrides=overrides)
    GlobalHydra.instance().clear()


def resolve(overrides: Sequence[str], config_dir: str | None = None) -> RunConfig:
    """Compose and check words such as `task=sentiment` and `train.epochs=5`.

    Args:
        overrides: Hydra overrides; of a sweep, the first member is returned.
        config_dir: One more folder of presets, or None.

    Raises:
        ConfigError: Everything that is wrong with them, each with the nearest valid name.
    """
    parsed = _parse(overrides)
    with _composing(config_dir) as composed:
        options = _group_options()
        choices = [each for each in parsed if _is_group(each)]
        problems = [problem for each in choices for problem in _bad_choice(each, options)]
        if problems:
            raise ConfigError(*problems)
        base = _attempt(composed, [_first(each) for each in choices])
        values = [each for each in parsed if not _is_group(each) and not _is_hydra(each)]
        problems = [problem for each in values for problem in _bad_value(each, base)]
        if problems:
            raise ConfigError(*problems)
        return to_run_config(_attempt(composed, [_first(each) for each in parsed]))


def _parse(overrides: Sequence[str]) -> list[Override]:
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


def _is_group(override: Override) -> bool:
    return override.key_or_group in GROUPS or override.key_or_group.startswith(("hydra/", "metric/"))


def _is_hydra(override: Override) -> bool:
    return override.key_or_group.split(".")[0] == "hydra"


def _first(override: Override) -> str:
    """The override itself, or the first member of a sweep."""
    if not override.is_sweep_override():
        return str(override.input_line)
    value = next(iter(override.sweep_string_iterator()))
    return f"{override.get_key_element()}={value}"


def _group_options() -> dict[str, list[str]]:
    loader = GlobalHydra.instance().config_loader()
    return {group: [name for name in loader.get_group_options(group) if name != SCHEMA] for group in GROUPS}


def _bad_choice(override: Override, options: Mapping[str, list[str]]) -> Iterator[Problem]:
    group = override.key_or_group
    if group not in options or override.is_delete():
        return
    values = override.sweep_string_iterator() if override.is_sweep_override() else [override.value()]
    for value in values:
        if value is not None and str(value) not in options[group]:
            message, cure = unknown(group, str(value), options[group])
            other = next((name for name in options if str(value) in options[name]), None)
            if other:
                cure = f"There is a {other} of that name: {other}={value}. " + cure
            yield Problem(group, message, cure, COMMAND_LINE)


def _bad_value(override: Override, base: DictConfig) -> Iterator[Problem]:
    key = override.key_or_group
    if override.is_delete():
        if OmegaConf.select(base, key) is None or not key.startswith("metrics."):
            yield Problem(key, "cannot be deleted; only an entry of `metrics` can.", "", COMMAND_LINE)
        return
    parent_key, _, leaf = key.rpartition(".")
    place = _deepest(base, key)
    if place is not None:
        yield Problem(key, *_unknown_key(key, place, base), COMMAND_LINE)
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


def _deepest(base: DictConfig, key: str) -> str | None:
    """The first part of a dotted key that does not exist, as a whole path; None where all of it does."""
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


def _unknown_key(key: str, place: str, base: DictConfig) -> tuple[str, str]:
    parent, _, leaf = place.rpartition(".")
    node = OmegaConf.select(base, parent) if parent else base
    there = [str(name) for name in node if parent or name != "hydra"] if isinstance(node, DictConfig) else []
    owner = OmegaConf.get_type(node) if isinstance(node, DictConfig) else None
    chosen = getattr(owner, "name", "") if isinstance(getattr(owner, "name", ""), str) else ""
    what = (
        f"is not an option of {parent}={chosen}." if chosen else f"is not an option{f' of {parent}' if parent else ''}."
    )
    close = nearest(leaf, there)
    if close:
        return what, f"Did you mean {f'{parent}.{close}'.lstrip('.')}?"
    others = [
        f"{parent}={name}"
        for name, component in load().components.get(parent, {}).items()
        if leaf in {each.name for each in fields(component)}  # type: ignore[arg-type]
    ]
    if others:
        return what, f"It is one of {' and of '.join(others)}."
    return what, f"There are: {', '.join(there) or 'none'}."


def _wrong_type(parent: Any, leaf: str, value: Any) -> str | None:
    if not isinstance(parent, DictConfig):
        return None
    trial = OmegaConf.create({"x": parent.copy()})["x"]
    try:
        OmegaConf.update(trial, leaf, value if not isinstance(value, str) else str(value))
    except (ValidationError, OmegaConfBaseException) as error:
        return str(error).partition("\n")[0]
    return None


def _attempt(composed: Callable[[list[str]], DictConfig], overrides: list[str]) -> DictConfig:
    """Compose; what Hydra says of a preset file is told with its place."""
    try:
        return composed(overrides)
    except (HydraException, OmegaConfBaseException) as error:
        cause = error.__cause__ or error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        where = getattr(cause, "full_key", None) or ""
        raise ConfigError(Problem(str(where), " ".join(lines[:3]) or str(cause), "", _preset_named(lines))) from error


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
        place = f"{path}.{key}".lstrip(".")
        if declared is not None and key not in declared:
            yield place
            continue
        child = node._get_node(key)
        if isinstance(child, DictConfig) and not child._is_none() and not child._is_missing():
            yield from _strays(child, place)


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


def launch(
    arguments: Sequence[str], work: Callable[[RunConfig, Path], float], failed: Callable[[Exception], None]
) -> None:
    """Hand over to Hydra: make the run's folder (or one each for the members of a sweep) and do the work.

    Args:
        arguments: The command line as Hydra takes it.
        work: Trains one member in its folder; returns the primary metric on validation.
        failed: Told what ended a member; the others of a sweep go on.
    """
    install()

    def job(config: DictConfig) -> float:
        folder = Path(HydraConfig.get().runtime.output_dir)
        try:
            return work(to_run_config(config), folder)
        except Exception as error:  # one member's end must not be the others'
            failed(error)
            return math.nan

    sys.argv[1:] = list(arguments)
    hydra_main(config_path=str(presets.directory()), config_name="config", version_base="1.3")(job)()
