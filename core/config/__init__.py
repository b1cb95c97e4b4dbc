"""Compose a configuration from presets and overrides, validate it, and read and write `config.yaml`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.config.compose import resolve
    from core.config.serialization import difference, to_plain
    from core.config.validation import check
    from core.config.yaml import from_yaml, typed
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.config.compose": ("resolve",),
            "core.config.serialization": ("difference", "to_plain"),
            "core.config.validation": ("check",),
            "core.config.yaml": ("from_yaml", "typed"),
        },
    )

__all__ = [
    "check",
    "difference",
    "from_yaml",
    "resolve",
    "to_plain",
    "typed",
]
