"""Find the installed plugins and import them."""

from __future__ import annotations

import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from core.errors import PluginError, Problem
from core.registry import builtin

ENTRY_POINT_GROUP = "graft.plugins"
DISTRIBUTION = "graft-tune"
"""The distribution of Graft; its plugins are built in."""


@dataclass(frozen=True)
class Plugin:
    """One plugin, loaded or failed.

    Attributes:
        name: The name of its entry point, or of its module.
        origin: The distribution and its version, or where the module came from.
        failure: The traceback of its failure, or empty.
        built_in: Whether it is part of Graft's distribution.
    """

    name: str
    origin: str
    failure: str = ""
    built_in: bool = False


def modules() -> Iterator[tuple[Plugin, ModuleType | None]]:
    """Yield each plugin that is not disabled, with its module or None if the import failed; core's own comes first."""
    yield Plugin("core", DISTRIBUTION, built_in=True), builtin
    disabled = set(_names("GRAFT_DISABLE"))
    candidates_of: dict[str, dict[str, tuple[Plugin, str]]] = {}
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name):
        origin, distribution = _origin(point)
        plugin = Plugin(point.name, origin, built_in=distribution == DISTRIBUTION)
        # A distribution can occur twice on the path; it then has the same origin.
        candidates_of.setdefault(point.name, {}).setdefault(origin, (plugin, point.value))
    for target in _names("GRAFT_PLUGINS"):
        name = Path(target).stem if target.endswith(".py") else target
        candidates_of.setdefault(name, {})[f"{target} in GRAFT_PLUGINS"] = (Plugin(name, "GRAFT_PLUGINS"), target)
    for name, candidates in candidates_of.items():
        if name in disabled:
            continue
        chosen = [each for each in candidates.values() if each[0].built_in] or list(candidates.values())
        if len(candidates) > 1:
            message = f"is the name of {' and of '.join(candidates)}."
            cure = f"Uninstall one of them, or set GRAFT_DISABLE={name}."
            error = PluginError(Problem(f"plugin {name}", message, cure))
            failure = failure_text(f"plugin {name} is installed twice", error)
            if len(chosen) > 1:
                yield Plugin(name, ", ".join(candidates), failure), None
                continue
        plugin, target = chosen[0]
        module, failure = _import(name, plugin.origin, target)
        yield replace(plugin, failure=failure), module


def _names(variable: str) -> list[str]:
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


def _origin(point: EntryPoint) -> tuple[str, str]:
    """Return the distribution of an entry point: name with version, and name only."""
    return _name_and_version(point.dist) if point.dist else ("unknown", "")


@cache
def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    metadata = distribution.metadata  # each access reads a file, hence the cache
    return f"{metadata['Name']} {metadata['Version']}", metadata["Name"]


def _import(name: str, origin: str, target: str) -> tuple[ModuleType | None, str]:
    """Import a module (a dotted name or a file); return it, or the traceback if the import failed."""
    try:
        if not target.endswith(".py"):
            return importlib.import_module(target), ""
        spec = importlib.util.spec_from_file_location(f"graft_plugins_{Path(target).stem}", target)
        if spec is None or spec.loader is None or not Path(target).is_file():
            raise FileNotFoundError(f"there is no file {target}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module, ""
    except Exception as error:  # a plugin can fail in any way; the others must still load
        return None, failure_text(f"plugin {name} ({origin}) cannot be imported", error)


def failure_text(what: str, error: Exception) -> str:
    """Print in one line that a plugin failed, and return the traceback, which the command `plugins` prints.

    Raises:
        PluginError: `GRAFT_STRICT=1` makes failures fatal.
    """
    if isinstance(error, PluginError):
        reason = " ".join(f"{each.message} {each.cure}".strip() for each in error.problems)
    else:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    text = f"{what}: {reason}"
    if os.environ.get("GRAFT_STRICT") == "1":
        raise PluginError(Problem("", text, "GRAFT_STRICT=1 makes this fatal.")) from error
    sys.stderr.write(f"graft: warning: {text} (python -m core plugins shows more)\n")
    return "".join(traceback.format_exception(error))
