"""Public names of a package that are imported on first use (PEP 562), so that importing the package stays cheap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_face(package: str, table: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package.

    Args:
        package: The package's `__name__`.
        table: For each module, the names that the package takes from it; a name may be a submodule's.
    """
    homes = {name: module for module, names in table.items() for name in names}

    def resolve(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(homes[name])
        found = getattr(module, name) if hasattr(module, name) else import_module(f"{homes[name]}.{name}")
        setattr(import_module(package), name, found)
        return found

    return resolve
