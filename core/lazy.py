"""Lazy imports (PEP 562): a package imports its public names on first use, so importing the package is cheap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_face(package: str, table: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return a `__getattr__` for a package.

    Args:
        package: The package's `__name__`.
        table: For each module, the names that the package exports from it; a name can be that of a submodule.
    """
    module_of = {name: module for module, names in table.items() for name in names}

    def resolve(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(module_of[name])
        value = getattr(module, name) if hasattr(module, name) else import_module(f"{module_of[name]}.{name}")
        setattr(import_module(package), name, value)
        return value

    return resolve
