"""The command `check`: a dry run, which checks everything and trains nothing."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from inspect import cleandoc
from typing import Any

from core.cli.commands.list import print_json
from core.config.presets import PresetFolders
from core.contracts.components import RunConfig


def check(arguments: Sequence[str], folders: PresetFolders) -> int:
    """Dry run: check the configuration and the data, count parameters, estimate peak memory; train nothing.

    It loads data and model, and profiles small forward and backward passes. With --quick it only checks the
    configuration and estimates memory from the sizes of the network, without libraries, data or downloads.
    """
    from core.cli.main import split_flags

    if arguments and arguments[0] in ("-h", "--help"):
        usage = "usage: graft check [--quick] [--json] [--config-dir DIR] key=value …"
        sys.stdout.write(f"{usage}\n\n{cleandoc(check.__doc__ or '')}\n")
        return 0
    from core.config import compose
    from core.config.validation import check as check_config
    from core.training.memory_estimate import estimate, sentence

    overrides, flags = split_flags(arguments)
    config = compose.resolve(overrides, folders=folders)
    check_config(config)
    as_json = "--json" in flags
    result: dict[str, Any] = {"config": "ok", "estimate_mb": estimate(config, len(config.task.labels or ("", "")))}
    if "--quick" in flags:
        pass
    elif importlib.util.find_spec("torch") is None:
        result["note"] = "torch is not installed, so data, model and memory were not checked: pip install graft-tune"
    else:
        from core.runs.dry_run import inspect
        from core.runtime.cache import keep_caches_of_others

        keep_caches_of_others()
        result |= inspect(config)
    result["estimate"] = sentence(result["estimate_mb"])
    if as_json:
        print_json(result)
    else:
        _write_check(config, result)
    return 0


def _write_check(config: RunConfig, result: dict[str, Any]) -> None:
    named = f"task={config.task.name or config.task.type} data={config.data.name} model={config.model.name}"
    sys.stdout.write(f"configuration: ok ({named} method={config.method.name})\n")
    for key, value in result.items():
        if key in ("config", "estimate_mb"):
            continue
        if isinstance(value, dict):
            sys.stdout.write(f"{key}:\n" + "".join(f"  {name}: {_brief(each)}\n" for name, each in value.items()))
        else:
            sys.stdout.write(f"{key}: {value}\n")


def _brief(value: Any) -> str:
    if isinstance(value, list):
        return "".join(f"\n    - {each['message'] if isinstance(each, dict) else each}" for each in value) or "none"
    return f"{value:,}" if isinstance(value, int) else str(value)
