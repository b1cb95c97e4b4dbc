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
"""The distribution that carries Graft; its plugins are the built-in ones."""


@dataclass(frozen=True)
class Plugin:
    """One plugin, loaded or failed.

    Attributes:
        name: Its entry point's name, or the module's.
        origin: The distribution and its version, or where the module came from.
        failure: The traceback of what failed, or empty.
        built_in: Whether Graft's own distribution carries it.
    """

    name: str
    origin: str
    failure: str = ""
    built_in: bool = False


def modules() -> Iterator[tuple[Plugin, ModuleType | None]]:
    """Each plugin that is not switched off, with its module where that could be imported; core's own always is."""
    yield Plugin("core", DISTRIBUTION, built_in=True), builtin
    disabled = set(_names("GRAFT_DISABLE"))
    found: dict[str, dict[str, tuple[Plugin, str]]] = {}
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name):
        origin, distribution = _origin(point)
        plugin = Plugin(point.name, origin, built_in=distribution == DISTRIBUTION)
        found.setdefault(point.name, {}).setdefault(origin, (plugin, point.value))  # one may be seen twice on the path
    for target in _names("GRAFT_PLUGINS"):
        name = Path(target).stem if target.endswith(".py") else target
        found.setdefault(name, {})[f"{target} in GRAFT_PLUGINS"] = (Plugin(name, "GRAFT_PLUGINS"), target)
    for name, candidates in found.items():
        if name in disabled:
            continue
        chosen = [each for each in candidates.values() if each[0].built_in] or list(candidates.values())
        if len(candidates) > 1:
            error = PluginError(
                Problem(
                    f"plugin {name}",
                    f"is the name of {' and of '.join(candidates)}.",
                    f"Uninstall one of them, or set GRAFT_DISABLE={name}.",
                )
            )
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
    """The distribution with its version, and its name alone."""
    return _named(point.dist) if point.dist else ("unknown", "")


@cache
def _named(distribution: Distribution) -> tuple[str, str]:
    metadata = distribution.metadata  # read from its file each time
    return f"{metadata['Name']} {metadata['Version']}", metadata["Name"]


def _import(name: str, origin: str, target: str) -> tuple[ModuleType | None, str]:
    """The module (a dotted name or a file), or the traceback of its import."""
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
    except Exception as error:  # a plugin may fail in any way; the others must still load
        return None, failure_text(f"plugin {name} ({origin}) cannot be imported", error)


def failure_text(what: str, error: Exception) -> str:
    """Say in one line that a plugin failed, unless that is to be fatal; returns the traceback for `plugins`."""
    if isinstance(error, PluginError):
        reason = " ".join(f"{each.message} {each.cure}".strip() for each in error.problems)
    else:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    text = f"{what}: {reason}"
    if os.environ.get("GRAFT_STRICT") == "1":
        raise PluginError(Problem("", text, "GRAFT_STRICT=1 makes this fatal.")) from error
    sys.stderr.write(f"graft: warning: {text} (python -m core plugins shows more)\n")
    return "".join(traceback.format_exception(error))
