"""Specify the hooks, discover plugins, and decide which method fits which model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.registry.compatibility import lacking
    from core.registry.registry import load_registry
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.registry.compatibility": ("lacking",),
            "core.registry.registry": ("load_registry",),
        },
    )

__all__ = [
    "lacking",
    "load_registry",
]
