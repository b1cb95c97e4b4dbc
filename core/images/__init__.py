"""Find, check and decode images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.images.decoding import cache_key, in_chunks
    from core.images.reading import (
        SUFFIXES,
        Inspected,
        UnreadableImageError,
        encode_png,
        image_files,
        inspect,
        open_image,
    )
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.images.decoding": ("cache_key", "in_chunks"),
            "core.images.reading": (
                "Inspected",
                "SUFFIXES",
                "UnreadableImageError",
                "encode_png",
                "image_files",
                "inspect",
                "open_image",
            ),
        },
    )

__all__ = [
    "SUFFIXES",
    "Inspected",
    "UnreadableImageError",
    "cache_key",
    "encode_png",
    "image_files",
    "in_chunks",
    "inspect",
    "open_image",
]
