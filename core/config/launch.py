"""Let Hydra create the folder of each run and start it; a sweep has several runs."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hydra import main as hydra_main
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig

from core.config.compose import (
    SEARCH_PATH,
    choose_variants,
    install,
    recompose,
    search_path_words,
    to_run_config,
)
from core.config.overrides import hydra_words, parse
from core.config.presets import PresetFolders
from core.config.store import open_entries
from core.config.variants import replacements
from core.contracts.components import RunConfig
from core.errors import ConfigError, Problem, RunError
from core.registry.preset_files import GROUPS, directory
from core.registry.registry import load_registry

_PRINTS_CONFIG = re.compile(r"--cfg|-c(?![dnp])")
"""The spellings of the flag that prints the configuration: `-c job`, `-cjob`, `--cfg=job`; not `-cd`, `-cn`, `-cp`."""


def _run_config(config: DictConfig, folders: PresetFolders) -> RunConfig:
    """Convert the configuration of one run to dataclasses; compose it again if the task needs variants of components.

    The runs of a sweep can have tasks of several types. So Hydra composes each run with entries that accept the options
    of all variants, and only here is it known which variants this run needs.
    """
    replaced = replacements(config, str(config.task.type))
    if not replaced:
        return to_run_config(config)
    overrides = HydraConfig.get().overrides
    words = [word for word in overrides.hydra if word.startswith(f"{SEARCH_PATH}=")] + list(overrides.task)
    running = GlobalHydra.instance().hydra
    try:
        return recompose(words, replaced, folders)
    finally:
        GlobalHydra.instance().hydra = running
        open_entries(load_registry())  # for the next run of a sweep


def _hydra_arguments(arguments: Sequence[str], folders: PresetFolders) -> list[str]:
    """Return the arguments for Hydra's own parser: flags unchanged, overrides as `hydra_words` spells them."""
    words = [each if each.startswith("-") or "=" not in each else parse([each])[0] for each in arguments]
    search_path = search_path_words(folders, [each for each in words if isinstance(each, Override)])
    first_override = next((at for at, word in enumerate(words) if isinstance(word, Override)), len(words))
    result: list[str] = []
    for at, word in enumerate([*words, ""]):
        if at == first_override:
            result += search_path
        if isinstance(word, str):
            result += [word] if word else []
        elif not search_path or word.key_or_group != SEARCH_PATH:
            result += hydra_words(word)
    return result


def launch(
    arguments: Sequence[str],
    work: Callable[[RunConfig, Path, dict[str, str]], float],
    failed: Callable[[Exception], None],
    folders: PresetFolders,
) -> None:
    """Let Hydra create the folder of each run, and call `work` for each; a sweep has several runs.

    Args:
        arguments: The arguments of the command line.
        work: Trains one run. It receives the configuration, the folder, and the preset chosen in each group. It returns
            the primary metric on validation.
        failed: Called with the error of a run; the other runs of a sweep continue.
        folders: The folders of presets.

    Raises:
        ConfigError: Hydra refuses the arguments.
        RunError: A folder cannot be created.
    """
    install()
    if any(_PRINTS_CONFIG.match(each) for each in arguments):  # Hydra prints it, and ends
        choose_variants([each for each in arguments if "=" in each and not each.startswith("-")], folders)
    else:
        open_entries(load_registry())

    def job(config: DictConfig) -> float:
        runtime = HydraConfig.get().runtime
        choices = {group: str(runtime.choices[group]) for group in GROUPS if runtime.choices.get(group)}
        try:
            return work(_run_config(config, folders), Path(runtime.output_dir), choices)
        except Exception as error:  # the other runs of a sweep must continue
            failed(error)
            return math.nan

    sys.argv[1:] = _hydra_arguments(arguments, folders)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # raise, so that Graft can print the error
    try:
        hydra_main(config_path=str(directory()), config_name="config", version_base="1.3")(job)()
    except HydraException as error:
        raise ConfigError(str(error)) from error
    except OSError as error:
        cure = "Choose another folder with hydra.run.dir=… (for a sweep: hydra.sweep.dir=…)."
        where = str(error.filename or "the run's folder")
        raise RunError(Problem(where, f"cannot be created: {error.strerror or error}.", cure)) from error
