"""Find base weights: in a Python package, a folder, the Hub's cache or the Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.pretrained.hub import endpoint, hub_unreachable, unreachable
    from core.pretrained.resolve import Found, find_weights, local_file, sha256_of
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.pretrained.hub": ("endpoint", "hub_unreachable", "unreachable"),
            "core.pretrained.resolve": ("Found", "find_weights", "local_file", "sha256_of"),
        },
    )

__all__ = [
    "Found",
    "endpoint",
    "find_weights",
    "hub_unreachable",
    "local_file",
    "sha256_of",
    "unreachable",
]
